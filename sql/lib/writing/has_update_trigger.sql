CREATE OR REPLACE FUNCTION dbperf.has_update_trigger(relation regclass)
RETURNS boolean
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM dbperf.table_tree(has_update_trigger.relation) AS t (relation)
        JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.relation
        JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname <> 'dbperf' -- these skip nothing
        WHERE g.tgtype & 19 = 19 -- pg_trigger.h: FOR EACH ROW, BEFORE, UPDATE
    );
END
$$;

COMMENT ON FUNCTION dbperf.has_update_trigger(regclass) IS
    'Whether a BEFORE UPDATE trigger of the table, or of a partition of it, could skip a row; not dbperf''s own. Locks: none.';
