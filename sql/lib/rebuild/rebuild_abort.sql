CREATE OR REPLACE FUNCTION dbperf.rebuild_abort(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_abort.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_abort.relation) AS s;
    IF v_sides.is_cut_over THEN
        RAISE EXCEPTION '% is cut over', v_sides.live
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('SELECT dbperf.rebuild_revert(%L) first.', v_sides.live);
    END IF;
    PERFORM dbperf.rebuild_end(v_sides.live, 'aborted');
    PERFORM dbperf.rebuild_unfit(v_sides.shadow);
    RAISE NOTICE '% is as it was; % is left%: drop it when you like', v_sides.live, v_sides.shadow, (
        SELECT CASE WHEN b.is_released THEN ', a copy without foreign keys' ELSE '' END FROM dbperf.rebuild AS b WHERE b.id = v_sides.id
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_abort(regclass) IS
    'Ends a rebuild that is not cut over: the table is as it was before, the target stays as a copy that is no longer kept in step. For a transaction of its own. Locks: as dbperf.rebuild_end().';
