CREATE OR REPLACE FUNCTION dbperf.rebuild_end(relation regclass, state text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_sides record;
    v_reason text;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_end.relation) AS s;
    PERFORM FROM dbperf.rebuild AS b WHERE b.id = v_sides.id FOR UPDATE;
    PERFORM dbperf.rebuild_tidy(v_sides.live);
    FOR v_attempt IN 1..3 LOOP
        v_reason := dbperf.rebuild_try_lock(ARRAY[v_sides.live], 'ACCESS EXCLUSIVE');
        EXIT WHEN v_reason IS NULL;
        PERFORM pg_catalog.pg_sleep(2) WHERE v_attempt < 3; -- let those through who queued behind us
    END LOOP;
    IF v_reason IS NOT NULL THEN
        RAISE EXCEPTION 'the rebuild of % could not be ended', v_sides.live
            USING ERRCODE = 'lock_not_available', DETAIL = v_reason, HINT = 'Nothing was changed; call this again.';
    END IF;
    PERFORM dbperf.rebuild_drop_guards(v_sides.live);
    EXECUTE pg_catalog.format('DROP TABLE %s', v_sides.log);
    UPDATE dbperf.rebuild AS b SET state = rebuild_end.state, ended_at = pg_catalog.clock_timestamp() WHERE b.id = v_sides.id;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_end(regclass, text) IS
    'Takes the triggers of a rebuild away from the table that is used, and drops the change log. Locks: ACCESS EXCLUSIVE on the table, for milliseconds, waited for three times 50 ms, 2 s apart (55P03).';
