CREATE OR REPLACE FUNCTION dbperf.rebuild_lock(tables regclass[], mode text)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_reason text;
BEGIN
    FOR v_attempt IN 1..3 LOOP
        v_reason := dbperf.rebuild_try_lock(rebuild_lock.tables, rebuild_lock.mode);
        EXIT WHEN v_reason IS NULL;
        PERFORM pg_catalog.pg_sleep(2) WHERE v_attempt < 3; -- let those through who queued behind us
    END LOOP;
    RETURN v_reason;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_lock(regclass[], text) IS
    'dbperf.rebuild_try_lock() three times, 2 s apart. Locks: as that.';
