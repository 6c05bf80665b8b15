CREATE OR REPLACE FUNCTION dbperf.rebuild_drop_guards(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_guard record;
BEGIN
    FOR v_guard IN
        SELECT g.tgname AS name, g.tgrelid::regclass AS guarded
        FROM dbperf.table_tree(rebuild_drop_guards.relation) AS t (relation)
        JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.relation
        WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgname LIKE 'dbperf\_rebuild\_%'
    LOOP
        EXECUTE pg_catalog.format('DROP TRIGGER %I ON %s', v_guard.name, v_guard.guarded);
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_drop_guards(regclass) IS
    'Drops the triggers of a rebuild from the table and its partitions. Locks: ACCESS EXCLUSIVE on them.';
