CREATE OR REPLACE FUNCTION dbperf.rebuild_forget(id integer)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_kept text;
BEGIN
    SELECT c.oid::regclass::text INTO v_kept
    FROM dbperf.rebuild AS b JOIN pg_catalog.pg_class AS c ON c.oid IN (b.source, b.target)
    WHERE b.id = rebuild_forget.id;
    EXECUTE pg_catalog.format('DROP TABLE IF EXISTS dbperf.rebuild_log_%s', rebuild_forget.id);
    UPDATE dbperf.rebuild AS b SET state = 'aborted', ended_at = pg_catalog.clock_timestamp() WHERE b.id = rebuild_forget.id AND b.ended_at IS NULL;
    DELETE FROM dbperf.partition_policy AS p WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = p.relation);
    IF v_kept IS NOT NULL THEN
        RAISE NOTICE 'kept: a table that was being rebuilt was dropped; its other half is %', v_kept;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_forget(integer) IS
    'Ends a rebuild one of whose tables was dropped; the other one stays as it is. Locks: ACCESS EXCLUSIVE on its change log.';
