CREATE OR REPLACE FUNCTION dbperf.drop_soft_delete_guards(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_guard record;
BEGIN
    FOR v_guard IN
        SELECT g.tgrelid::regclass AS guarded, g.tgname AS name
        FROM (
            SELECT dbperf.table_tree(drop_soft_delete_guards.relation)
            UNION SELECT dbperf.active_view(drop_soft_delete_guards.relation)
        ) AS t (relation)
        JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.relation
        JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND n.nspname = 'dbperf' AND g.tgname LIKE 'dbperf\_%' AND g.tgname NOT LIKE 'dbperf\_rebuild\_%'
    LOOP
        EXECUTE pg_catalog.format('DROP TRIGGER %I ON %s', v_guard.name, v_guard.guarded);
    END LOOP;
    DELETE FROM dbperf.soft_delete_guard AS g
    WHERE g.relation = drop_soft_delete_guards.relation OR g.guarded IN (SELECT dbperf.table_tree(drop_soft_delete_guards.relation));
END
$$;

COMMENT ON FUNCTION dbperf.drop_soft_delete_guards(regclass) IS
    'Drops the triggers of soft delete from the table, its partitions and its view of live rows. Locks: ACCESS EXCLUSIVE on them.';
