CREATE OR REPLACE FUNCTION dbperf.rebuild_put_references(relation regclass, keys jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_statement text;
BEGIN
    FOR v_statement IN
        SELECT pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s%s', t.relation, r.name, pg_catalog.replace(r.definition, E'\x01', f.oid::regclass::text), CASE WHEN c.relkind = 'r' THEN ' NOT VALID' END)
        FROM pg_catalog.jsonb_to_recordset(rebuild_put_references.keys) AS r (name name, definition text, referenced oid)
        JOIN pg_catalog.pg_class AS f ON f.oid = r.referenced -- a table that was dropped took its keys along
        CROSS JOIN dbperf.table_tree(rebuild_put_references.relation) AS t (relation)
        JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
        -- of a partitioned table its partitions: before 18 it can have none that is NOT VALID
        WHERE c.relkind = 'r' OR NOT EXISTS (SELECT FROM dbperf.partition_leaves(rebuild_put_references.relation))
    LOOP
        EXECUTE v_statement;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_put_references(regclass, jsonb) IS
    'Gives a table that is about to be used its foreign keys, of a list as dbperf.rebuild_references() returns it, without reading it: new rows are checked. dbperf.rebuild_settle() does the rest. Locks: SHARE ROW EXCLUSIVE on the table, its partitions and those that it references.';
