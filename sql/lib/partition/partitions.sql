CREATE OR REPLACE VIEW dbperf.partitions WITH (security_invoker = true) AS
SELECT
    t.partrelid::regclass AS relation,
    b.leaf AS partition,
    b.lower AS lower_bound,
    b.upper AS upper_bound,
    CASE
        WHEN b.is_default THEN 'default'
        WHEN b.lower IS NULL OR b.upper IS NULL THEN 'unknown'
        WHEN k.leaf IS NOT NULL THEN 'closed'
        WHEN b.lower > dbperf.utc_now() + p.max_ahead THEN 'outside'
        WHEN b.lower > dbperf.utc_now() THEN 'ahead'
        WHEN b.upper > dbperf.utc_now() THEN 'current'
        ELSE 'past'
    END AS state,
    coalesce(k.rows, nullif(c.reltuples, -1)::bigint) AS rows,
    k.rows IS NOT NULL AS rows_are_exact,
    CASE WHEN NOT EXISTS ( -- it would wait
        SELECT FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'relation' AND l.relation = c.oid AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    ) THEN pg_catalog.pg_total_relation_size(c.oid) END AS bytes,
    k.closed_at,
    k.first_at,
    k.last_at,
    k.first_id,
    k.last_id
FROM pg_catalog.pg_partitioned_table AS t
LEFT JOIN dbperf.partition_policy AS p ON p.relation = t.partrelid
CROSS JOIN LATERAL dbperf.partition_bounds(t.partrelid) AS b
JOIN pg_catalog.pg_class AS c ON c.oid = b.leaf
LEFT JOIN dbperf.closed_partition AS k ON k.leaf = b.leaf
WHERE t.partstrat = 'r' AND t.partnatts = 1;

COMMENT ON VIEW dbperf.partitions IS
    'Every partition of every table that is partitioned by range of one column: bounds, rows, size, state. Locks: ACCESS SHARE on the partitions, for their size.';

COMMENT ON COLUMN dbperf.partitions.relation IS 'The partitioned table.';

COMMENT ON COLUMN dbperf.partitions.partition IS 'The partition.';

COMMENT ON COLUMN dbperf.partitions.lower_bound IS 'Where it begins, in UTC, inclusive; -infinity for MINVALUE. NULL for a DEFAULT partition, and where nothing says the key''s encoding.';

COMMENT ON COLUMN dbperf.partitions.upper_bound IS 'Where it ends, in UTC, exclusive; infinity for MAXVALUE.';

COMMENT ON COLUMN dbperf.partitions.state IS
    'ahead, current, past; closed: past, and recorded; outside: further ahead than the policy would go; default; unknown.';

COMMENT ON COLUMN dbperf.partitions.rows IS 'Rows: as counted when it was closed, else the planner''s estimate; NULL if there is none.';

COMMENT ON COLUMN dbperf.partitions.rows_are_exact IS 'True if they were counted.';

COMMENT ON COLUMN dbperf.partitions.bytes IS 'Size on disk, indexes included; NULL while somebody holds ACCESS EXCLUSIVE on it or waits for that.';

COMMENT ON COLUMN dbperf.partitions.closed_at IS 'When it was recorded as closed.';

COMMENT ON COLUMN dbperf.partitions.first_at IS 'First time in it (UTC), when it was closed.';

COMMENT ON COLUMN dbperf.partitions.last_at IS 'Last time in it (UTC), when it was closed.';

COMMENT ON COLUMN dbperf.partitions.first_id IS 'Lowest id in it, when it was closed; NULL without id_column.';

COMMENT ON COLUMN dbperf.partitions.last_id IS 'Highest id in it, when it was closed.';
