CREATE OR REPLACE FUNCTION dbperf.partition_horizon(relation regclass)
RETURNS TABLE (start timestamp without time zone, stop timestamp without time zone)
LANGUAGE plpgsql STABLE STRICT
SET search_path = ''
AS $$
BEGIN
    RETURN QUERY
        SELECT greatest(v_now - p.max_behind, least(v_now, f.first)), v_now + p.ahead
        FROM dbperf.partition_policy AS p
        CROSS JOIN (SELECT dbperf.utc_now()) AS n (v_now)
        -- before the first partition nothing is missing: retention may have removed it
        CROSS JOIN LATERAL (
            SELECT pg_catalog.min(b.lower) AS first FROM dbperf.partition_bounds(p.relation) AS b WHERE NOT b.is_default
        ) AS f
        WHERE p.relation = partition_horizon.relation;
END
$$;

COMMENT ON FUNCTION dbperf.partition_horizon(regclass) IS
    'From when to when there have to be partitions, by the policy: from the first one, but not longer ago than rows may come late, until as far ahead as it says. Locks: none.';
