CREATE OR REPLACE FUNCTION dbperf.has_soft_delete(relation regclass)
RETURNS boolean
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS g
            JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = 'dbperf' -- anybody can name a trigger so
            WHERE g.tgrelid = has_soft_delete.relation AND g.tgname IN ('dbperf_mark_deleted', 'dbperf_keep_deleted')
        )
    );
END
$$;

COMMENT ON FUNCTION dbperf.has_soft_delete(regclass) IS
    'Whether a DELETE on this table marks rows instead of removing them: from the catalogue, so that every role can ask. Locks: none.';
