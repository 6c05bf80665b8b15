CREATE OR REPLACE FUNCTION dbperf.runway_until(relation regclass)
RETURNS timestamp without time zone
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.upper(r)
        FROM (
            SELECT pg_catalog.range_agg(pg_catalog.tsrange(b.lower, b.upper)) AS ranges
            FROM dbperf.partition_bounds(runway_until.relation) AS b WHERE NOT b.is_default
        ) AS a
        CROSS JOIN LATERAL pg_catalog.unnest(a.ranges) AS r
        WHERE r @> dbperf.utc_now()
    );
END
$$;

COMMENT ON FUNCTION dbperf.runway_until(regclass) IS
    'Until when (UTC) there is a partition for every time from now on; NULL if there is none for now. Locks: none.';
