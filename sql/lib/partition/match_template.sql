CREATE OR REPLACE FUNCTION dbperf.match_template(relation regclass, leaf regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET lock_timeout = '50ms'
AS $$
DECLARE
    v_statement text;
    v_last text;
BEGIN
    -- One at a time: GRANT locks nothing, and two of them meet in the catalogue. The strongest lock at once, because
    -- writers would wait for each step of a climb.
    EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', match_template.leaf);
    IF EXISTS (SELECT FROM dbperf.template_changes(match_template.relation, ARRAY[match_template.leaf]) AS c WHERE c.is_exclusive) THEN
        EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', match_template.leaf);
    END IF;
    FOR v_round IN 1..3 LOOP -- a REVOKE ... CASCADE can take what the template has
        v_last := NULL;
        FOR v_statement IN SELECT d.statement FROM dbperf.template_differences(match_template.relation, match_template.leaf) AS d LOOP
            EXECUTE v_statement;
            v_last := v_statement;
        END LOOP;
        EXIT WHEN v_last IS NULL;
    END LOOP;
    IF v_last IS NOT NULL THEN
        RAISE EXCEPTION '% does not become as its template', match_template.leaf
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = pg_catalog.format('This changed nothing: %s', v_last),
                  HINT = 'Look who granted the privilege, or what an event trigger does; or take it out of the template.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.match_template(regclass, regclass) IS
    'Makes one partition as the policy''s template. Waits 50 ms for each lock, then raises 55P03. For a transaction of its own. Locks: SHARE UPDATE EXCLUSIVE on the partition, or ACCESS EXCLUSIVE if dbperf.template_changes() says so.';
