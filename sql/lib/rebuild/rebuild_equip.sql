CREATE OR REPLACE FUNCTION dbperf.rebuild_equip(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_fit record;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_equip.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_equip.relation) AS s;
    IF (SELECT b.is_equipped FROM dbperf.rebuild AS b WHERE b.id = v_sides.id) THEN
        RETURN;
    END IF;
    PERFORM dbperf.rebuild_check(v_sides.live);
    PERFORM dbperf.rebuild_carry(v_sides.live);
    PERFORM dbperf.rebuild_furnish(v_sides.live, v_sides.shadow, v_sides.live_columns, v_sides.shadow_columns);
    FOR v_fit IN SELECT f.* FROM dbperf.rebuild_fit(v_sides.live, v_sides.shadow, v_sides.live_columns, v_sides.shadow_columns) AS f LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s)', v_sides.shadow, v_fit.name, v_fit.condition);
    END LOOP;
    UPDATE dbperf.rebuild AS b SET is_equipped = true WHERE b.id = v_sides.id;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_equip(regclass) IS
    'Gives a target, once and before it is filled, what the table has: dbperf.rebuild_carry(), dbperf.rebuild_furnish(), and the constraints of dbperf.rebuild_fit(). Locks: ACCESS EXCLUSIVE on the target, which nobody uses.';
