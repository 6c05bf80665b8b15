CREATE OR REPLACE VIEW dbperf.partition_runway WITH (security_invoker = true) AS
SELECT
    p.relation,
    r.until AS inserts_succeed_until,
    r.until - dbperf.utc_now() AS runway,
    p.ahead AS wanted,
    coalesce(r.until >= dbperf.utc_now() + p.ahead - least(p.every, p.ahead / 2), false) AS is_long_enough,
    (SELECT pg_catalog.count(*) FROM dbperf.wanted_partitions(p.relation) AS w) AS missing,
    EXISTS (SELECT FROM dbperf.partition_bounds(p.relation) AS b WHERE b.is_default) AS has_default,
    dbperf.partition_capacity(p.relation) - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = p.relation) AS room,
    l.finished_at AS last_maintained_at,
    l.sqlstate AS last_sqlstate
FROM dbperf.partition_policy AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.relation
CROSS JOIN LATERAL (SELECT dbperf.runway_until(p.relation) AS until) AS r
LEFT JOIN LATERAL (
    SELECT m.finished_at, m.sqlstate FROM dbperf.maintenance_log AS m WHERE m.relation = p.relation ORDER BY m.id DESC LIMIT 1
) AS l ON true;

COMMENT ON VIEW dbperf.partition_runway IS
    'For each table with a policy: until when an INSERT finds its partition. Locks: none.';

COMMENT ON COLUMN dbperf.partition_runway.relation IS 'The partitioned table.';

COMMENT ON COLUMN dbperf.partition_runway.inserts_succeed_until IS
    'From now until then (UTC) there is a partition for every time; NULL if there is none now. A DEFAULT partition does not count.';

COMMENT ON COLUMN dbperf.partition_runway.runway IS 'How long that is.';

COMMENT ON COLUMN dbperf.partition_runway.wanted IS 'How long the policy wants it to be.';

COMMENT ON COLUMN dbperf.partition_runway.is_long_enough IS 'False if less is left than the policy wants but for an interval, or half of it: alert on that, on missing > 0 and on last_sqlstate.';

COMMENT ON COLUMN dbperf.partition_runway.missing IS 'Partitions that the policy wants and that are not there, gaps included.';

COMMENT ON COLUMN dbperf.partition_runway.has_default IS 'True if a DEFAULT partition takes rows that have none of their own.';

COMMENT ON COLUMN dbperf.partition_runway.room IS 'How many more partitions one query without a time can lock before the server''s lock table may be full.';

COMMENT ON COLUMN dbperf.partition_runway.last_maintained_at IS 'When dbperf.maintain() last finished with the table; NULL if never.';

COMMENT ON COLUMN dbperf.partition_runway.last_sqlstate IS 'SQLSTATE with which it failed; NULL if it did not.';
