CREATE OR REPLACE FUNCTION dbperf.rebuild_forget(id integer)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_left regclass[];
BEGIN
    v_left := ARRAY(
        SELECT c.oid::regclass FROM dbperf.rebuild AS b JOIN pg_catalog.pg_class AS c ON c.oid IN (b.source, b.target)
        WHERE b.id = rebuild_forget.id AND b.ended_at IS NULL
    );
    IF pg_catalog.cardinality(v_left) = 2 THEN
        RAISE EXCEPTION 'both tables of rebuild % are there', rebuild_forget.id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'dbperf.rebuild_abort() or dbperf.rebuild_finalize() ends it.';
    ELSIF pg_catalog.cardinality(v_left) = 1 THEN
        PERFORM dbperf.rebuild_lock(v_left, 'ACCESS EXCLUSIVE', pg_catalog.format('rebuild %s could not be ended', rebuild_forget.id));
        PERFORM dbperf.rebuild_drop_guards(v_left[1]);
        PERFORM dbperf.rebuild_unfit(v_left[1]);
        RAISE NOTICE 'kept: a table that was being rebuilt was dropped; its other half is %', v_left[1];
    END IF;
    EXECUTE pg_catalog.format('DROP TABLE IF EXISTS dbperf.rebuild_log_%s', rebuild_forget.id);
    UPDATE dbperf.rebuild AS b SET state = 'aborted', ended_at = pg_catalog.clock_timestamp() WHERE b.id = rebuild_forget.id AND b.ended_at IS NULL;
    DELETE FROM dbperf.partition_policy AS p WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = p.relation);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_forget(integer) IS
    'Ends a rebuild one of whose tables was dropped: its triggers go from the other one, which otherwise stays as it is. For a transaction of its own. Raises 55P03. Locks: ACCESS EXCLUSIVE on that table for milliseconds, and on the change log.';
