CREATE OR REPLACE FUNCTION dbperf.partition_range(leaf oid)
RETURNS text[]
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than all the rest
SET timezone = 'UTC' -- bounds are shown in it
SET datestyle = 'ISO, YMD'
AS $$
BEGIN
    -- With the oid of the leaf, pg_get_expr() would lock and open it. A bound refers to no column, so 0 does.
    RETURN (
        SELECT ARRAY[
            nullif(nullif(pg_catalog.btrim(pg_catalog.split_part(pg_catalog.split_part(b.bound, '(', 2), ')', 1), ''''), 'MINVALUE'), ''),
            nullif(nullif(pg_catalog.btrim(pg_catalog.split_part(pg_catalog.split_part(b.bound, '(', 3), ')', 1), ''''), 'MAXVALUE'), '')
        ]
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(c.relpartbound, 0) AS bound) AS b
        WHERE c.oid = partition_range.leaf AND c.relispartition
    );
END
$$;

COMMENT ON FUNCTION dbperf.partition_range(oid) IS
    'Both bounds of a partition as literals of the key, one that is open and those of a DEFAULT partition NULL; nothing if it is no partition any more. Reads nothing but the catalogue. Locks: none.';
