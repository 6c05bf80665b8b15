CREATE OR REPLACE FUNCTION dbperf.rebuild_tidy(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET lock_timeout = '50ms'
AS $$
DECLARE
    v_sides record;
    v_trigger name;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_tidy.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_tidy.relation) AS s;
    PERFORM FROM dbperf.rebuild AS b WHERE b.id = v_sides.id AND NOT b.is_tidy;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', v_sides.shadow);
    PERFORM dbperf.rebuild_drop_guards(v_sides.shadow);
    PERFORM dbperf.drop_soft_delete_guards(v_sides.shadow);
    DELETE FROM dbperf.soft_delete_table AS t WHERE t.relation = v_sides.shadow;
    FOR v_trigger IN
        SELECT g.tgname FROM pg_catalog.pg_trigger AS g
        WHERE g.tgrelid = v_sides.shadow AND NOT g.tgisinternal AND g.tgenabled <> 'D'
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER %I', v_sides.shadow, v_trigger);
    END LOOP;
    UPDATE dbperf.rebuild AS b SET is_tidy = true WHERE b.id = v_sides.id;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_tidy(regclass) IS
    'After a swap: drops dbperf''s triggers from the table that is not used any more, and disables its others, so that it can be kept in step. Locks: ACCESS EXCLUSIVE on that table.';
