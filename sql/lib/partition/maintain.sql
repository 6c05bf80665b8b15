CREATE OR REPLACE PROCEDURE dbperf.maintain(relation regclass DEFAULT NULL)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_relation oid;
    v_started timestamp with time zone;
    v_lower timestamp without time zone[];
    v_upper timestamp without time zone[];
    v_place integer;
    v_leaf oid;
    v_attempt integer;
    v_created integer;
    v_closed integer;
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
        v_created := 0;
        v_closed := 0;
        v_state := NULL;
        v_message := NULL;
        v_hint := NULL;
        v_lower := '{}';
        BEGIN
            SELECT pg_catalog.array_agg(w.lower ORDER BY w.lower), pg_catalog.array_agg(w.upper ORDER BY w.lower) INTO v_lower, v_upper
            FROM dbperf.wanted_partitions(v_relation::regclass) AS w;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
        END;
        COMMIT;

        v_place := 1;
        v_attempt := 1;
        WHILE v_state IS NULL AND v_place OPERATOR(pg_catalog.<=) coalesce(pg_catalog.cardinality(v_lower), 0) LOOP
            BEGIN -- each in a transaction of its own: its locks on other tables end with it
                PERFORM dbperf.create_partition(v_relation::regclass, v_lower[v_place], v_upper[v_place]);
                v_created := v_created OPERATOR(pg_catalog.+) 1;
                v_place := v_place OPERATOR(pg_catalog.+) 1;
                v_attempt := 1;
            EXCEPTION
                WHEN lock_not_available THEN
                    v_attempt := v_attempt OPERATOR(pg_catalog.+) 1;
                    IF v_attempt OPERATOR(pg_catalog.>) 3 THEN
                        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
                    END IF;
                WHEN OTHERS THEN
                    GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
            END;
            COMMIT;
            IF v_attempt OPERATOR(pg_catalog.>) 1 AND v_state IS NULL THEN
                PERFORM pg_catalog.pg_sleep(2); -- let those through who queued behind us
                COMMIT;
            END IF;
        END LOOP;

        FOR v_leaf IN SELECT d.leaf::oid FROM dbperf.due_partitions(v_relation::regclass) AS d LOOP
            EXIT WHEN v_state IS NOT NULL;
            BEGIN
                PERFORM dbperf.close_partition(v_relation::regclass, v_leaf::regclass);
                v_closed := v_closed OPERATOR(pg_catalog.+) 1;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
            END;
            COMMIT;
        END LOOP;

        INSERT INTO dbperf.maintenance_log (relation, started_at, created, closed, sqlstate, message, hint)
        VALUES (v_relation, v_started, v_created, v_closed, v_state, v_message, nullif(v_hint, ''));
        COMMIT;
        IF v_state IS NOT NULL THEN
            RAISE WARNING 'maintenance of % failed: %', v_relation::regclass, v_message USING ERRCODE = v_state;
        END IF;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.maintain(regclass) IS
    'Makes the partitions that the policies ask for, whether or not data arrives, and records closed ones; of one table or all. A table that fails is logged with its SQLSTATE and the others go on. Any number of sessions may call it at once. Locks: as dbperf.create_partition(), a transaction for each partition.';
