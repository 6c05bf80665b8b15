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
               CASE
                   WHEN b.lower = 'MINVALUE' THEN timestamp '-infinity'
                   -- what dbperf.partition_time() does, without its price: 0.1 ms a call
                   WHEN v_encoding = 'timestamp' THEN pg_catalog.btrim(b.lower, '''')::timestamp without time zone
                   WHEN v_encoding = 'date' THEN CASE -- a timestamp does not reach as far
                       WHEN pg_catalog.btrim(b.lower, '''')::date > date '294276-12-31' THEN 'infinity' ELSE pg_catalog.btrim(b.lower, '''')::date::timestamp without time zone
                   END
                   WHEN v_encoding = 'timestamptz' THEN pg_catalog.btrim(b.lower, '''')::timestamp with time zone AT TIME ZONE 'UTC'
                   ELSE dbperf.partition_time(v_encoding, pg_catalog.btrim(b.lower, ''''))
               END,
               CASE
                   WHEN b.upper = 'MAXVALUE' THEN timestamp 'infinity'
                   WHEN v_encoding = 'timestamp' THEN pg_catalog.btrim(b.upper, '''')::timestamp without time zone
                   WHEN v_encoding = 'date' THEN CASE -- a timestamp does not reach as far
                       WHEN pg_catalog.btrim(b.upper, '''')::date > date '294276-12-31' THEN 'infinity' ELSE pg_catalog.btrim(b.upper, '''')::date::timestamp without time zone
                   END
                   WHEN v_encoding = 'timestamptz' THEN pg_catalog.btrim(b.upper, '''')::timestamp with time zone AT TIME ZONE 'UTC'
                   ELSE dbperf.partition_time(v_encoding, pg_catalog.btrim(b.upper, ''''))
               END,
               b.bound = 'DEFAULT'
        FROM (
            -- FOR VALUES FROM (lower) TO (upper), one column each where there is an encoding; regular expressions are slower
            SELECT c.oid::regclass AS leaf, x.bound,
                   nullif(pg_catalog.split_part(pg_catalog.split_part(x.bound, '(', 2), ')', 1), '') AS lower,
                   nullif(pg_catalog.split_part(pg_catalog.split_part(x.bound, '(', 3), ')', 1), '') AS upper
            FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
            -- with the leaf's oid it would lock and open each; bounds refer to no column
            CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(c.relpartbound, 0) AS bound) AS x
            WHERE i.inhparent = partition_bounds.relation AND NOT i.inhdetachpending
        ) AS b
        ORDER BY 2;
END
$$;

COMMENT ON FUNCTION dbperf.partition_bounds(regclass) IS
    'Partitions of the table with their bounds as times in UTC, lower inclusive, upper exclusive, infinite where open; NULL for a DEFAULT partition. Locks: none.';
