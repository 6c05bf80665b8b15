CREATE OR REPLACE FUNCTION dbperf.rebuild_finalize(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_finalize.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_finalize.relation) AS s;
    IF NOT v_sides.is_cut_over THEN
        RAISE EXCEPTION '% is not cut over', v_sides.live
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('SELECT dbperf.rebuild_cutover(%L) first, or dbperf.rebuild_abort(%1$L).', v_sides.live);
    END IF;
    PERFORM dbperf.rebuild_end(v_sides.live, 'finalized');
    PERFORM dbperf.rebuild_unfit(v_sides.live);
    PERFORM dbperf.keep_former_table(v_sides.live, v_sides.shadow);
    EXECUTE pg_catalog.format('DROP TABLE %s', v_sides.shadow);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_finalize(regclass) IS
    'Drops the way back of a cutover: the table as it was, the change log, and the constraints that kept rows out which it could not hold. What is in it is in the table that is used. For a transaction of its own. Locks: ACCESS EXCLUSIVE on both tables, for milliseconds, waited for as dbperf.rebuild_end() says.';
