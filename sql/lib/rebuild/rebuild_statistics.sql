CREATE OR REPLACE FUNCTION dbperf.rebuild_statistics(live regclass, shadow regclass)
RETURNS TABLE (live_object oid, shadow_object oid)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        WITH numbered AS (
            SELECT x.oid, x.stxrelid, x.stxkind, c.text, pg_catalog.row_number() OVER (PARTITION BY x.stxrelid, x.stxkind, c.text ORDER BY x.oid) AS number
            FROM pg_catalog.pg_statistic_ext AS x
            CROSS JOIN LATERAL (
                SELECT pg_catalog.concat(
                    ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = x.stxrelid AND a.attnum = ANY (x.stxkeys::smallint[]) ORDER BY a.attname),
                    pg_catalog.pg_get_statisticsobjdef_expressions(x.oid)
                )
            ) AS c (text)
            WHERE x.stxrelid IN (rebuild_statistics.live, rebuild_statistics.shadow)
        )
        SELECT l.oid, s.oid FROM numbered AS l
        LEFT JOIN numbered AS s ON s.stxrelid = rebuild_statistics.shadow AND (s.stxkind, s.text, s.number) = (l.stxkind, l.text, l.number)
        WHERE l.stxrelid = rebuild_statistics.live;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_statistics(regclass, regclass) IS
    'Extended statistics of the one table, and those that stand for them on the other, of the same kinds and columns; NULL if there are none. Locks: none.';
