CREATE OR REPLACE FUNCTION dbperf.make_soft_delete_guards(relation regclass, tables regclass[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_guard record;
BEGIN
    FOR v_guard IN
        SELECT g.*
        FROM dbperf.soft_delete_table AS t
        CROSS JOIN LATERAL dbperf.soft_delete_guards(t.relation, t.hot, t.on_deleted_key, make_soft_delete_guards.tables) AS g
        WHERE t.relation = make_soft_delete_guards.relation
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS x WHERE x.tgrelid = g.guarded AND x.tgname = g.name)
    LOOP
        EXECUTE v_guard.definition;
        INSERT INTO dbperf.soft_delete_guard (guarded, name, relation, checksum)
        VALUES (v_guard.guarded, v_guard.name, make_soft_delete_guards.relation, dbperf.guard_checksum(v_guard.guarded, v_guard.name));
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.make_soft_delete_guards(regclass, regclass[]) IS
    'Makes the triggers that the table''s soft delete needs on these tables: the table, its partitions, or what is about to become one; none that is there already, none if the table has no soft delete. Locks: SHARE ROW EXCLUSIVE on them.';
