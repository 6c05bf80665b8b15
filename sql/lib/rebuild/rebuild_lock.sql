CREATE OR REPLACE FUNCTION dbperf.rebuild_lock(tables regclass[], mode text, failure text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_reason text;
BEGIN
    FOR v_attempt IN 1..3 LOOP
        v_reason := dbperf.rebuild_try_lock(rebuild_lock.tables, rebuild_lock.mode);
        IF v_reason IS NULL THEN
            RETURN;
        END IF;
        PERFORM pg_catalog.pg_sleep(2) WHERE v_attempt < 3; -- let those through who queued behind us
    END LOOP;
    RAISE EXCEPTION '%', rebuild_lock.failure
        USING ERRCODE = 'lock_not_available', DETAIL = v_reason, HINT = 'Nothing was changed. Look for long transactions in pg_stat_activity, then call this again.';
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_lock(regclass[], text, text) IS
    'dbperf.rebuild_try_lock() three times, 2 s apart; then raises 55P03, with this sentence. Locks: as that.';
