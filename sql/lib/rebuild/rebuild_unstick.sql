CREATE OR REPLACE FUNCTION dbperf.rebuild_unstick(relation regclass)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_before bigint;
    v_after bigint;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_unstick.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_unstick.relation) AS s;
    SELECT g.stuck INTO v_after FROM dbperf.rebuild_log_length(v_sides.id) AS g;
    LOOP -- rows that exchanged a unique value keep each other out, until all of them are taken out and put in together
        v_before := v_after;
        EXIT WHEN v_before = 0;
        EXECUTE pg_catalog.format('UPDATE %s AS g SET stuck = false WHERE g.stuck', v_sides.log);
        PERFORM dbperf.rebuild_drain(rebuild_unstick.relation, 2147483647);
        SELECT g.stuck INTO v_after FROM dbperf.rebuild_log_length(v_sides.id) AS g;
        EXIT WHEN v_after >= v_before;
    END LOOP;
    RETURN v_after;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_unstick(regclass) IS
    'Tries all keys again whose rows a unique key of the other table kept out; returns how many still are. For a transaction of its own, at READ COMMITTED. Locks: as dbperf.rebuild_drain().';
