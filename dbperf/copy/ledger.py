"""What is said to ``dbperf.batch_ledger``."""

BEGIN = "SELECT * FROM dbperf.begin_batch(%s, %s)"

SPLIT = "SELECT * FROM dbperf.split_batch(%s, %s, %s)"

END = "SELECT dbperf.end_batch(%s, %s, %s, %s, %s, %s)"

END_PIECES = "SELECT dbperf.end_batch(%s, %s, %s, %s, %s, %s, in_pieces => true)"

#: A row if one of these batches was begun.
HAS_ONE = "SELECT true FROM dbperf.batch_ledger WHERE batch_id = ANY (%s) LIMIT 1"
