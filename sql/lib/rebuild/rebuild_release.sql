CREATE OR REPLACE FUNCTION dbperf.rebuild_release(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_reason text;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_release.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_release.relation) AS s;
    IF EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = v_sides.shadow AND k.contype = 'f') THEN
        RAISE EXCEPTION 'a foreign key references %, which is only kept in step', v_sides.shadow
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Drop it: rows there are deleted and inserted again, and their children would go with them.';
    ELSIF (SELECT b.is_released FROM dbperf.rebuild AS b WHERE b.id = v_sides.id) THEN
        RETURN;
    END IF;
    v_reason := (SELECT pg_catalog.string_agg(c.reason, '; ') FROM dbperf.rebuild_reference_changes(v_sides.live) AS c);
    IF v_reason IS NOT NULL THEN
        RAISE EXCEPTION '% cannot take the place of %', v_sides.shadow, v_sides.live
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = v_reason, HINT = 'That came since the rebuild began: undo it, then call this again; or abort.';
    END IF;
    -- first what is referenced, as those who delete there
    v_reason := dbperf.rebuild_try_lock(dbperf.rebuild_referenced(dbperf.rebuild_references(v_sides.shadow, '[]')) || v_sides.shadow, 'ACCESS EXCLUSIVE');
    IF v_reason IS NOT NULL THEN
        RAISE EXCEPTION 'the foreign keys of % could not be taken away', v_sides.shadow USING ERRCODE = 'lock_not_available', DETAIL = v_reason;
    END IF;
    PERFORM dbperf.rebuild_take_references(v_sides.shadow);
    UPDATE dbperf.rebuild AS b SET is_released = true WHERE b.id = v_sides.id;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_release(regclass) IS
    'Takes the foreign keys of a target away, once and before it is filled; in a transaction of its own: whoever deletes what it references would wait for all that dbperf.rebuild_equip() does. Raises 55P03; 55000 if somebody references the table that is only kept in step, or foreign keys came or went since the start. Locks: ACCESS EXCLUSIVE on the target and on the tables that it references, for milliseconds, waited for 50 ms, and not while an older transaction holds one.';
