CREATE OR REPLACE FUNCTION dbperf.rebuild_end(relation regclass, state text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_tables regclass[];
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_end.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_end.relation) AS s;
    PERFORM dbperf.rebuild_tidy(v_sides.live);
    IF EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.id = v_sides.id AND b.afterwards <> '{}') OR EXISTS (SELECT FROM dbperf.rebuild_reference_statements(v_sides.live)) THEN
        RAISE EXCEPTION 'the last swap of % left work to be done', v_sides.live
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('CALL dbperf.rebuild_run(%L) does it.', v_sides.live);
    END IF;
    v_tables := ARRAY[v_sides.live];
    IF rebuild_end.state = 'finalized' THEN
        v_tables := v_tables || v_sides.shadow;
    END IF;
    PERFORM dbperf.rebuild_lock(v_tables, 'ACCESS EXCLUSIVE', pg_catalog.format('the rebuild of %s could not be ended', v_sides.live));
    PERFORM dbperf.rebuild_drop_guards(v_sides.live);
    EXECUTE pg_catalog.format('DROP TABLE %s', v_sides.log);
    UPDATE dbperf.rebuild AS b SET state = rebuild_end.state, ended_at = pg_catalog.clock_timestamp() WHERE b.id = v_sides.id;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_end(regclass, text) IS
    'Takes the triggers of a rebuild away from the table that is used, and drops the change log. Locks: ACCESS EXCLUSIVE on the table, to finalize on the other one too, for milliseconds, waited for three times 50 ms, 2 s apart (55P03).';
