CREATE OR REPLACE PROCEDURE dbperf.run_online(statement text, attempts integer DEFAULT 3)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_waits_for_nobody CONSTANT boolean := run_online.statement OPERATOR(pg_catalog.~) ' VALIDATE CONSTRAINT ';
    v_attempt integer := 1;
    v_done boolean := false;
    v_detail text;
BEGIN
    LOOP
        -- a setting ends with its transaction. Everybody queues behind a statement that waits for its lock,
        -- but nobody who writes queues behind VALIDATE
        PERFORM pg_catalog.set_config('lock_timeout', CASE WHEN v_waits_for_nobody THEN '0' ELSE '50ms' END, true);
        BEGIN
            EXECUTE run_online.statement;
            v_done := true;
        EXCEPTION WHEN lock_not_available THEN
            GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
            IF v_attempt OPERATOR(pg_catalog.>=) run_online.attempts THEN
                RAISE EXCEPTION 'somebody holds a lock that % needs', run_online.statement
                    USING ERRCODE = 'lock_not_available', DETAIL = v_detail, HINT = 'Look for long transactions in pg_stat_activity, then call this again: it goes on where it stopped.';
            END IF;
        END;
        COMMIT;
        EXIT WHEN v_done;
        v_attempt := v_attempt OPERATOR(pg_catalog.+) 1;
        PERFORM pg_catalog.pg_sleep(2); -- let those through who queued behind us
        COMMIT;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.run_online(text, integer) IS
    'Runs the statement and commits; waits for its lock so many times 50 ms, 2 s apart, then raises 55P03. Locks: as the statement.';
