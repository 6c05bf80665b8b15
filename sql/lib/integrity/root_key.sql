CREATE OR REPLACE FUNCTION dbperf.root_key(key oid)
RETURNS oid
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE up AS (
        SELECT k.oid, k.conparentid FROM pg_catalog.pg_constraint AS k WHERE k.oid = root_key.key
        UNION ALL
        SELECT k.oid, k.conparentid FROM up AS u JOIN pg_catalog.pg_constraint AS k ON k.oid = u.conparentid
    )
    SELECT u.oid FROM up AS u WHERE u.conparentid = 0
$$;

COMMENT ON FUNCTION dbperf.root_key(oid) IS 'The key of the partitioned table that this key of a partition belongs to; itself if none. Locks: none.';
