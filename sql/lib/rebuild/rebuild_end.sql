CREATE OR REPLACE FUNCTION dbperf.rebuild_end(relation regclass, state text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_sides record;
    v_tables regclass[];
    v_attempts integer;
    v_reason text;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_end.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_end.relation) AS s;
    -- to tidy up locks the other table for good, and whoever deletes what it references would wait: no pauses then
    SELECT CASE WHEN b.is_tidy THEN 3 ELSE 1 END INTO v_attempts FROM dbperf.rebuild AS b WHERE b.id = v_sides.id;
    PERFORM dbperf.rebuild_tidy(v_sides.live);
    IF EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.id = v_sides.id AND b.afterwards <> '{}') THEN
        RAISE EXCEPTION 'the last swap of % left work to be done', v_sides.live
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('CALL dbperf.rebuild_run(%L) does it.', v_sides.live);
    END IF;
    v_tables := ARRAY[v_sides.live];
    IF rebuild_end.state = 'finalized' THEN -- to drop a table locks those that it references
        v_tables := v_tables || v_sides.shadow || ARRAY(SELECT DISTINCT k.confrelid::regclass FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = v_sides.shadow AND k.contype = 'f' AND k.confrelid <> k.conrelid);
    END IF;
    FOR v_attempt IN 1..v_attempts LOOP
        v_reason := dbperf.rebuild_try_lock(v_tables, 'ACCESS EXCLUSIVE');
        EXIT WHEN v_reason IS NULL;
        PERFORM pg_catalog.pg_sleep(2) WHERE v_attempt < v_attempts; -- let those through who queued behind us
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
    'Takes the triggers of a rebuild away from the table that is used, and drops the change log. Locks: ACCESS EXCLUSIVE on the table, to finalize on the other one and those that it references too, for milliseconds, waited for three times 50 ms, 2 s apart (55P03).';
