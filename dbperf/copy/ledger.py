"""What is said to ``dbperf.batch_ledger``."""

BEGIN = "SELECT * FROM dbperf.begin_batch(%s, %s)"

SPLIT = "SELECT * FROM dbperf.split_batch(%s, %s, %s)"

END = "SELECT dbperf.end_batch(%s, %s, %s, %s, %s, %s)"
