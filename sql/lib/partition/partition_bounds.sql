CREATE OR REPLACE FUNCTION dbperf.partition_bounds(relation regclass)
RETURNS TABLE (leaf regclass, lower timestamp without time zone, upper timestamp without time zone, is_default boolean)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' -- bounds are shown in it
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    v_encoding CONSTANT text := (SELECT k.encoding FROM dbperf.partition_key(partition_bounds.relation) AS k);
BEGIN
    RETURN QUERY
        SELECT b.leaf,
               coalesce(dbperf.partition_time(v_encoding, b.texts[2]), CASE WHEN b.texts[1] = 'MINVALUE' THEN timestamp '-infinity' END),
               coalesce(dbperf.partition_time(v_encoding, b.texts[4]), CASE WHEN b.texts[3] = 'MAXVALUE' THEN timestamp 'infinity' END),
               b.bound = 'DEFAULT'
        FROM (
            SELECT c.oid::regclass AS leaf, x.bound,
                   pg_catalog.regexp_match(x.bound, '^FOR VALUES FROM \((''(.*)''|MINVALUE)\) TO \((''(.*)''|MAXVALUE)\)$') AS texts
            FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
            CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound) AS x
            WHERE i.inhparent = partition_bounds.relation AND NOT i.inhdetachpending
        ) AS b
        ORDER BY 2;
END
$$;

COMMENT ON FUNCTION dbperf.partition_bounds(regclass) IS
    'Partitions of the table with their bounds as times in UTC, lower inclusive, upper exclusive, infinite where open; NULL for a DEFAULT partition. Locks: none.';
