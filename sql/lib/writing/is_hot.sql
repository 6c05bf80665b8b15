CREATE OR REPLACE FUNCTION dbperf.is_hot(relation regclass)
RETURNS boolean
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN dbperf.has_soft_delete(is_hot.relation)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = is_hot.relation AND g.tgname = 'dbperf_meet_deleted_key');
END
$$;

COMMENT ON FUNCTION dbperf.is_hot(regclass) IS
    'Whether the table has soft delete, and no trigger that looks for deleted keys before each INSERT: dbperf.enable_soft_delete(hot => true). Locks: none.';
