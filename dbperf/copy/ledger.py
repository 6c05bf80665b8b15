"""What is said to ``dbperf.batch_ledger``."""

BEGIN = "SELECT * FROM dbperf.begin_batch(%s, %s)"

SPLIT = "SELECT * FROM dbperf.split_batch(%s, %s, %s)"

END = "SELECT dbperf.end_batch(%s, %s, %s, %s, %s, %s)"

END_PIECES = "SELECT dbperf.end_batch(%s, %s, %s, %s, %s, %s, in_pieces => true)"

#: Which of these names of a table's batches are there, in a transaction to be rolled back: it claims the others, and so
#: waits for transactions that write them.
CLAIMED = """
SELECT name FROM pg_catalog.unnest(%s::text[]) AS name WHERE EXISTS (SELECT FROM dbperf.claim_batch(name, %s, NULL))
"""
