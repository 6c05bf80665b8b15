CREATE OR REPLACE PROCEDURE dbperf.rebuild_run(relation regclass, batch_size integer DEFAULT 5000)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_patience CONSTANT integer := 10; -- whoever is busy enough to be rebuilt is busy now too
    v_size integer := greatest(rebuild_run.batch_size, 1);
    v_started timestamp with time zone;
    v_took interval;
    v_said timestamp with time zone := pg_catalog.clock_timestamp();
    v_step text;
    v_statement text;
    v_reason text;
    v_copied integer;
    v_drained integer;
    v_is_copied boolean;
    v_retries integer := 0;
    v_pauses integer := 0;
    v_state text;
    v_message text;
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed' THEN
        RAISE EXCEPTION 'a rebuild runs at READ COMMITTED only' USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed''.';
    END IF;
    FOREACH v_step IN ARRAY ARRAY['rebuild_tidy', 'rebuild_release', 'rebuild_equip'] LOOP
        CALL dbperf.run_online(pg_catalog.format('SELECT dbperf.%s(%L)', v_step, rebuild_run.relation), v_patience);
    END LOOP;
    LOOP
        v_copied := 0;
        v_drained := 0;
        v_state := NULL;
        v_reason := dbperf.rebuild_pause(rebuild_run.relation);
        COMMIT;
        BEGIN
            v_drained := dbperf.rebuild_drain(rebuild_run.relation, greatest(rebuild_run.batch_size, 100));
        EXCEPTION WHEN check_violation OR lock_not_available OR deadlock_detected THEN
            GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
        END;
        COMMIT;
        IF v_state IS NULL AND (v_reason IS NULL OR v_pauses OPERATOR(pg_catalog.>=) 5) AND v_drained OPERATOR(pg_catalog.<) greatest(rebuild_run.batch_size, 100) THEN -- changes first: the log must not outgrow us
            v_started := pg_catalog.clock_timestamp();
            BEGIN
                v_copied := dbperf.rebuild_copy(rebuild_run.relation, v_size);
            EXCEPTION WHEN check_violation OR lock_not_available OR deadlock_detected THEN
                GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            END;
            COMMIT;
            v_took := pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) v_started;
            IF v_state IS NULL AND coalesce(v_copied, 0) OPERATOR(pg_catalog.<) v_size THEN
                PERFORM dbperf.rebuild_copied(rebuild_run.relation);
                COMMIT;
            END IF;
            v_copied := coalesce(v_copied, 0);
        END IF;

        IF v_state IS NOT NULL THEN
            v_retries := v_retries OPERATOR(pg_catalog.+) 1;
            IF v_retries OPERATOR(pg_catalog.>) 3 THEN
                RAISE EXCEPTION 'rebuilding % stopped: %', rebuild_run.relation, v_message
                    USING ERRCODE = v_state, HINT = 'Mend it, then CALL dbperf.rebuild_run() again: it goes on where it stopped.';
            END IF;
            IF v_state OPERATOR(pg_catalog.=) '23514' THEN -- rows without a partition
                FOR v_statement IN SELECT p.statement FROM dbperf.rebuild_missing_partitions(rebuild_run.relation) AS p LOOP
                    CALL dbperf.run_online(v_statement);
                END LOOP;
            END IF;
            CONTINUE;
        END IF;
        v_retries := 0;

        SELECT b.copied_at IS NOT NULL INTO v_is_copied FROM dbperf.rebuild_sides(rebuild_run.relation) AS s JOIN dbperf.rebuild AS b ON b.id OPERATOR(pg_catalog.=) s.id;
        -- what writers add while one batch is applied does not get less: the swap does the rest
        EXIT WHEN v_is_copied AND v_copied OPERATOR(pg_catalog.=) 0 AND v_drained OPERATOR(pg_catalog.<) greatest(rebuild_run.batch_size OPERATOR(pg_catalog./) 5, 100);
        IF v_copied OPERATOR(pg_catalog.>) 0 THEN -- batches of 0.2 s at most: changes wait meanwhile
            v_size := least(greatest(CASE WHEN v_took OPERATOR(pg_catalog.>) interval '200 milliseconds' THEN v_size OPERATOR(pg_catalog./) 2
                                          WHEN v_took OPERATOR(pg_catalog.<) interval '100 milliseconds' THEN v_size OPERATOR(pg_catalog.*) 2 ELSE v_size END, 500), greatest(rebuild_run.batch_size, 1));
        END IF;
        IF pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) v_said OPERATOR(pg_catalog.>) interval '5 seconds' THEN
            v_said := pg_catalog.clock_timestamp();
            RAISE NOTICE '%', (SELECT dbperf.rebuild_summary(s.id) FROM dbperf.rebuild_sides(rebuild_run.relation) AS s);
        END IF;
        v_pauses := CASE WHEN v_reason IS NULL OR v_copied OPERATOR(pg_catalog.>) 0 THEN 0 ELSE v_pauses OPERATOR(pg_catalog.+) 1 END;
        IF v_reason IS NOT NULL THEN -- five times at most for each batch: others may wait for each other for ever
            PERFORM pg_catalog.pg_sleep(0.2);
        END IF;
        COMMIT;
    END LOOP;
    CALL dbperf.run_online(pg_catalog.format('SELECT dbperf.rebuild_unstick(%L)', rebuild_run.relation));
    CALL dbperf.run_online(pg_catalog.format('SELECT dbperf.rebuild_analyze(%L)', rebuild_run.relation));
    CALL dbperf.rebuild_settle(rebuild_run.relation); -- last: locks that are not to be had must not stop the rest
END
$$;

COMMENT ON PROCEDURE dbperf.rebuild_run(regclass, integer) IS
    'Gives the target what it needs, then copies what is left to copy and applies the change log, batch after batch, each a transaction of its own, until both are done but for what comes meanwhile; again after an interruption, and now and then until the rebuild is cut over and until it is finalized. Then does what the last swap left, as dbperf.rebuild_settle(). Says every 5 s how far it is; waits while others wait for locks or a replica is behind. Locks: as dbperf.rebuild_copy() and dbperf.rebuild_drain(); at the first call as dbperf.rebuild_release() and dbperf.rebuild_equip().';
