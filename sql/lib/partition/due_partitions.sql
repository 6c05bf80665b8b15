CREATE OR REPLACE FUNCTION dbperf.due_partitions(relation regclass)
RETURNS TABLE (leaf regclass)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- one that is gone, or that is not past any more: a clock was wrong, or the policy changed
    DELETE FROM dbperf.closed_partition AS k
    WHERE k.relation = due_partitions.relation AND NOT EXISTS (
        SELECT FROM dbperf.partition_policy AS p CROSS JOIN LATERAL dbperf.partition_bounds(p.relation) AS b
        WHERE p.relation = due_partitions.relation AND b.leaf = k.leaf AND b.upper <= dbperf.utc_now() - p.max_behind
    );
    RETURN QUERY
        SELECT b.leaf
        FROM dbperf.partition_policy AS p
        CROSS JOIN LATERAL dbperf.partition_bounds(p.relation) AS b
        JOIN pg_catalog.pg_class AS c ON c.oid = b.leaf AND NOT c.relforcerowsecurity -- its owner could not count all rows
        WHERE p.relation = due_partitions.relation AND b.upper <= dbperf.utc_now() - p.max_behind
          AND NOT EXISTS (SELECT FROM dbperf.closed_partition AS k WHERE k.leaf = b.leaf)
        ORDER BY b.upper;
END
$$;

COMMENT ON FUNCTION dbperf.due_partitions(regclass) IS
    'Partitions whose time is past, later than rows may come, and that are not recorded as closed yet; forgets records that do not hold any more. Locks: none.';
