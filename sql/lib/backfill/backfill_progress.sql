CREATE OR REPLACE VIEW dbperf.backfill_progress WITH (security_invoker = true) AS
SELECT
    b.relation,
    b.leaf,
    CASE WHEN b.ended_at IS NULL THEN b.load_table END AS load_table,
    b.lower AS lower_bound,
    b.upper AS upper_bound,
    CASE WHEN b.ended_at IS NULL AND c.oid IS NULL THEN 'aborted' ELSE b.state END AS state,
    nullif(c.reltuples, -1)::bigint AS estimated_rows,
    pg_catalog.pg_total_relation_size(c.oid) AS bytes,
    CASE WHEN b.ended_at IS NULL THEN (SELECT pg_catalog.count(*) FROM dbperf.backfill_work(c.oid) AS w) ELSE 0 END AS steps_left,
    b.started_at,
    b.started_by,
    b.ended_at
FROM dbperf.backfill AS b
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = b.leaf;

COMMENT ON VIEW dbperf.backfill_progress IS
    'Partitions that are, or were, filled before they became partitions, and how far that is. Locks: ACCESS SHARE on them, for their size.';

COMMENT ON COLUMN dbperf.backfill_progress.relation IS 'The partitioned table.';

COMMENT ON COLUMN dbperf.backfill_progress.leaf IS 'The table that is filled, and becomes its partition.';

COMMENT ON COLUMN dbperf.backfill_progress.load_table IS 'Where rows are written to while the state is loading; NULL after that.';

COMMENT ON COLUMN dbperf.backfill_progress.lower_bound IS 'Where it begins, in UTC, inclusive.';

COMMENT ON COLUMN dbperf.backfill_progress.upper_bound IS 'Where it ends, in UTC, exclusive.';

COMMENT ON COLUMN dbperf.backfill_progress.state IS 'loading: nobody sees its rows. attached: it is a partition. aborted: it was dropped.';

COMMENT ON COLUMN dbperf.backfill_progress.estimated_rows IS 'Rows, as the server knows since the first index was built or it was analyzed; NULL before.';

COMMENT ON COLUMN dbperf.backfill_progress.bytes IS 'Size on disk, indexes included.';

COMMENT ON COLUMN dbperf.backfill_progress.steps_left IS 'Statements that dbperf.backfill_finish() has still to run; 1: only to be attached.';

COMMENT ON COLUMN dbperf.backfill_progress.started_at IS 'When it began.';

COMMENT ON COLUMN dbperf.backfill_progress.started_by IS 'Role that began it.';

COMMENT ON COLUMN dbperf.backfill_progress.ended_at IS 'When it was attached or aborted.';
