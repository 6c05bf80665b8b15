CREATE OR REPLACE FUNCTION dbperf.wanted_partitions(relation regclass)
RETURNS TABLE (lower timestamp without time zone, upper timestamp without time zone)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = wanted_partitions.relation) THEN
        RAISE EXCEPTION 'the table with the oid % was dropped', wanted_partitions.relation::oid
            USING ERRCODE = 'undefined_table', HINT = pg_catalog.format('Take its row out of dbperf.partition_policy: relation = %s.', wanted_partitions.relation::oid);
    END IF;
    RETURN QUERY
        SELECT g.lower, g.upper
        FROM dbperf.partition_policy AS p
        CROSS JOIN LATERAL dbperf.partition_horizon(p.relation) AS h
        CROSS JOIN LATERAL dbperf.partition_gaps(p.relation, p.every, h.start, h.stop) AS g
        WHERE p.relation = wanted_partitions.relation AND g.lower >= h.start
          AND dbperf.backfill_within(p.relation, g.lower, g.upper) IS NULL -- somebody sees to it
        ORDER BY g.lower;
END
$$;

COMMENT ON FUNCTION dbperf.wanted_partitions(regclass) IS
    'Bounds of the partitions that the policy of the table asks for and that are missing: gaps, and what is ahead. Raises 42P01 if the table is gone. Locks: none.';
