CREATE OR REPLACE PROCEDURE dbperf.maintain(relation regclass DEFAULT NULL)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_relation oid;
    v_started timestamp with time zone;
    v_tasks text[];
    v_statements text[];
    v_done text[];
    v_place integer;
    v_attempt integer;
    v_stopped boolean;
    v_state text;
    v_message text;
    v_hint text;
BEGIN
    FOR v_relation IN
        SELECT p.relation::oid FROM dbperf.partition_policy AS p
        WHERE NOT p.paused AND (maintain.relation IS NULL OR p.relation OPERATOR(pg_catalog.=) maintain.relation)
        ORDER BY p.relation::oid
    LOOP
        v_started := pg_catalog.clock_timestamp();
        v_tasks := '{}';
        v_done := '{}';
        v_state := NULL;
        v_message := NULL;
        v_hint := NULL;
        BEGIN
            SELECT pg_catalog.array_agg(w.task), pg_catalog.array_agg(w.statement) INTO v_tasks, v_statements
            FROM dbperf.maintenance_work(v_relation::regclass) AS w;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
        END;
        COMMIT;

        v_place := 1;
        v_attempt := 1;
        v_stopped := v_state IS NOT NULL;
        WHILE NOT v_stopped AND v_place OPERATOR(pg_catalog.<=) coalesce(pg_catalog.cardinality(v_tasks), 0) LOOP
            BEGIN -- each in a transaction of its own: its locks on other tables end with it
                EXECUTE v_statements[v_place];
                v_done := pg_catalog.array_append(v_done, v_tasks[v_place]);
                v_place := v_place OPERATOR(pg_catalog.+) 1;
                v_attempt := 1;
            EXCEPTION
                WHEN lock_not_available THEN
                    v_attempt := v_attempt OPERATOR(pg_catalog.+) 1;
                    IF v_attempt OPERATOR(pg_catalog.>) 3 THEN
                        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
                        v_stopped := true;
                    END IF;
                WHEN query_canceled THEN -- by a timeout, or by somebody: said, and raised again
                    GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
                    v_stopped := true;
                WHEN OTHERS THEN -- a gap that cannot be filled must not stop what is ahead: the first error is logged
                    IF v_state IS NULL THEN
                        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
                    END IF;
                    v_place := v_place OPERATOR(pg_catalog.+) 1;
                    v_attempt := 1;
            END;
            COMMIT;
            IF v_attempt OPERATOR(pg_catalog.>) 1 AND NOT v_stopped THEN
                PERFORM pg_catalog.pg_sleep(2); -- let those through who queued behind us
                COMMIT;
            END IF;
        END LOOP;

        INSERT INTO dbperf.maintenance_log (relation, started_at, created, closed, changed, sqlstate, message, hint)
        SELECT v_relation, v_started, pg_catalog.count(*) FILTER (WHERE d.task OPERATOR(pg_catalog.=) 'create'),
               pg_catalog.count(*) FILTER (WHERE d.task OPERATOR(pg_catalog.=) 'close'), pg_catalog.count(*) FILTER (WHERE d.task OPERATOR(pg_catalog.=) 'change'),
               v_state, v_message, nullif(v_hint, '')
        FROM pg_catalog.unnest(v_done) AS d (task);
        COMMIT;
        IF v_state OPERATOR(pg_catalog.=) '57014' THEN
            RAISE EXCEPTION 'maintenance of % was cancelled', v_relation::regclass
                USING ERRCODE = 'query_canceled', HINT = 'SET statement_timeout = 0 before CALL dbperf.maintain().';
        ELSIF v_state IS NOT NULL THEN
            RAISE WARNING 'maintenance of % failed: %', v_relation::regclass, v_message USING ERRCODE = v_state;
        END IF;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.maintain(regclass) IS
    'Makes the partitions that the policies ask for, whether or not data arrives, records closed ones, and gives the others what their template has; of one table or all. A table that fails is logged with its SQLSTATE and the others go on. Any number of sessions may call it at once. Locks: as dbperf.create_partition() and dbperf.match_template(), a transaction for each partition.';
