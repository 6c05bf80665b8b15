CREATE OR REPLACE PROCEDURE dbperf.drain_default(relation regclass, INOUT moved bigint DEFAULT 0)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_begun record;
    v_part regclass;
    v_check oid;
    v_rows bigint;
    v_attempt integer := 1;
    v_state text;
    v_message text;
    v_detail text;
    v_hint text;
BEGIN
    moved := 0;
    LOOP
        v_state := NULL;
        v_part := NULL;
        BEGIN
            SELECT b.* INTO v_begun FROM dbperf.drain_begin(drain_default.relation) AS b;
        EXCEPTION WHEN lock_not_available THEN
            GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL, v_hint = PG_EXCEPTION_HINT;
        END;
        COMMIT;

        IF v_state IS NULL THEN
            EXIT WHEN v_begun.part IS NULL;
            CONTINUE WHEN v_begun.check_id IS NULL;
            v_part := v_begun.part;
            v_check := v_begun.check_id;
            BEGIN
                v_rows := dbperf.drain_finish(
                    drain_default.relation, v_begun.part, v_begun.check_id, v_begun.is_last,
                    v_begun.keep_lower, v_begun.keep_upper, v_begun.lowers, v_begun.uppers
                );
                moved := moved OPERATOR(pg_catalog.+) v_rows;
                v_attempt := 1;
            EXCEPTION WHEN query_canceled OR OTHERS THEN -- raised again below
                GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL, v_hint = PG_EXCEPTION_HINT;
            END;
            COMMIT;
        END IF;

        IF v_state IS NOT NULL THEN
            BEGIN -- rows may come again, as long as nothing happens
                PERFORM dbperf.drain_forget(v_part, v_check);
            EXCEPTION WHEN lock_not_available THEN
                NULL; -- the next attempt, or the next call, does it
            END;
            COMMIT;
            v_attempt := v_attempt OPERATOR(pg_catalog.+) 1;
            -- 23514: a row came between the decision and its CHECK
            IF v_state OPERATOR(pg_catalog.<>) ALL ('{55P03,23514}') OR v_attempt OPERATOR(pg_catalog.>) 3 THEN
                RAISE EXCEPTION '%', CASE WHEN v_message OPERATOR(pg_catalog.~~) 'canceling statement due to lock timeout%'
                                          THEN pg_catalog.format('somebody holds a lock that draining %s needs', drain_default.relation) ELSE v_message END
                    USING ERRCODE = v_state, DETAIL = coalesce(v_detail, ''),
                          HINT = coalesce(nullif(v_hint, ''), 'Look for long transactions in pg_stat_activity, then call this again: it goes on where it stopped.');
            END IF;
            PERFORM pg_catalog.pg_sleep(2); -- let those through who queued behind us
            COMMIT;
        END IF;
    END LOOP;
    CALL dbperf.maintain(drain_default.relation);
END
$$;

COMMENT ON PROCEDURE dbperf.drain_default(regclass, bigint) IS
    'Takes the DEFAULT partition away from a table with a policy: few rows that are far from the others move into partitions of their own (moved: how many), and it becomes a partition for the range of the others, or is dropped; then calls dbperf.maintain(). Interrupted anywhere, the next call ends it. Locks: as dbperf.drain_begin() and dbperf.drain_finish(): ACCESS EXCLUSIVE for milliseconds, waited for three times 50 ms, 2 s apart.';
