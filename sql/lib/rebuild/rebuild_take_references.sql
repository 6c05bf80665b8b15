CREATE OR REPLACE FUNCTION dbperf.rebuild_take_references(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_statement text;
BEGIN
    FOR v_statement IN
        SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', t.relation, k.conname)
        FROM dbperf.table_tree(rebuild_take_references.relation) AS t (relation)
        JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.relation AND k.contype = 'f' AND k.conparentid = 0
    LOOP
        EXECUTE v_statement;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_take_references(regclass) IS
    'Drops the foreign keys of a table that is only kept in step: what it holds a moment longer than the other one must keep nobody from deleting what that references no more. Locks: ACCESS EXCLUSIVE on the table and on those that it references.';
