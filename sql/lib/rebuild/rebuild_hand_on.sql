CREATE OR REPLACE FUNCTION dbperf.rebuild_hand_on(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_fit record;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_hand_on.relation) AS s;
    PERFORM dbperf.rebuild_carry(v_sides.live);
    PERFORM dbperf.rebuild_furnish(v_sides.live, v_sides.shadow, v_sides.live_columns, v_sides.shadow_columns);
    FOR v_fit IN SELECT f.* FROM dbperf.rebuild_fit(v_sides.live, v_sides.shadow, v_sides.live_columns, v_sides.shadow_columns) AS f LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s)', v_sides.shadow, v_fit.name, v_fit.condition);
    END LOOP;
    PERFORM dbperf.own_partition(v_sides.shadow, t.relation) FROM dbperf.table_tree(v_sides.shadow) AS t (relation) WHERE t.relation <> v_sides.shadow;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_hand_on(regclass) IS
    'Gives a target what the table has: dbperf.rebuild_carry(), dbperf.rebuild_furnish(), the constraints of dbperf.rebuild_fit(), and to its partitions what the whole has. Locks: ACCESS EXCLUSIVE on the target and its partitions.';
