CREATE OR REPLACE FUNCTION dbperf.partition_horizon(relation regclass)
RETURNS TABLE (start timestamp without time zone, stop timestamp without time zone)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT greatest(dbperf.partition_floor(p.every, v_now - p.max_behind), CASE WHEN f.first <= v_now THEN f.first ELSE dbperf.partition_floor(p.every, v_now) END), v_now + p.ahead
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
