CREATE OR REPLACE PROCEDURE dbperf.maintain_table(relation regclass, urgent boolean, INOUT log_id bigint)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_started CONSTANT timestamp with time zone := pg_catalog.clock_timestamp();
    v_tasks text[] := '{}';
    v_statements text[];
    v_done text[] := '{}';
    v_place integer := 1;
    v_attempt integer := 1;
    v_stopped boolean := false;
    v_failed boolean;
    v_state text;
    v_message text;
    v_hint text;
    v_log bigint := maintain_table.log_id;
BEGIN
    BEGIN
        SELECT coalesce(pg_catalog.array_agg(w.task), '{}'), pg_catalog.array_agg(w.statement) INTO v_tasks, v_statements
        FROM dbperf.maintenance_work(maintain_table.relation, maintain_table.urgent) AS w;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
    END;
    COMMIT;

    WHILE NOT v_stopped AND v_place OPERATOR(pg_catalog.<=) pg_catalog.cardinality(v_tasks) LOOP
        v_failed := true;
        BEGIN -- each in a transaction of its own: its locks on other tables end with it
            EXECUTE v_statements[v_place];
            v_failed := false;
        EXCEPTION
            WHEN query_canceled THEN -- by a timeout, or by somebody: said, and raised again
                GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
                v_stopped := true;
            WHEN OTHERS THEN -- a gap that cannot be filled must not stop what is ahead: the first error is logged
                IF v_state IS NULL AND (SQLSTATE OPERATOR(pg_catalog.<>) '55P03' OR v_attempt OPERATOR(pg_catalog.=) 3) THEN
                    GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
                END IF;
                -- who holds a lock that this needs will mostly be in the way of the rest, too
                v_stopped := SQLSTATE OPERATOR(pg_catalog.=) '55P03' AND v_attempt OPERATOR(pg_catalog.=) 3;
                v_attempt := CASE WHEN SQLSTATE OPERATOR(pg_catalog.=) '55P03' THEN v_attempt OPERATOR(pg_catalog.+) 1 ELSE 1 END;
        END;
        IF NOT v_failed OR v_attempt OPERATOR(pg_catalog.=) 1 THEN
            -- a transaction that wrote nothing found that another maintainer has done it
            IF NOT v_failed AND pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL THEN
                v_done := pg_catalog.array_append(v_done, v_tasks[v_place]);
            END IF;
            v_place := v_place OPERATOR(pg_catalog.+) 1;
            v_attempt := 1;
        END IF;
        COMMIT;
        IF v_attempt OPERATOR(pg_catalog.>) 1 AND NOT v_stopped THEN
            PERFORM pg_catalog.pg_sleep(2); -- let those through who queued behind us
            COMMIT;
        END IF;
    END LOOP;

    IF v_log IS NULL THEN
        INSERT INTO dbperf.maintenance_log (relation, started_at, created, closed, changed)
        VALUES (maintain_table.relation, v_started, 0, 0, 0) RETURNING id INTO v_log;
    END IF;
    UPDATE dbperf.maintenance_log AS l
    SET finished_at = pg_catalog.clock_timestamp(),
        created = l.created OPERATOR(pg_catalog.+) pg_catalog.cardinality(pg_catalog.array_positions(v_done, 'create')),
        closed = l.closed OPERATOR(pg_catalog.+) pg_catalog.cardinality(pg_catalog.array_positions(v_done, 'close')),
        changed = l.changed OPERATOR(pg_catalog.+) pg_catalog.cardinality(pg_catalog.array_positions(v_done, 'change')),
        sqlstate = coalesce(l.sqlstate, v_state),
        message = CASE WHEN l.sqlstate IS NULL THEN v_message ELSE l.message END,
        hint = CASE WHEN l.sqlstate IS NULL THEN nullif(v_hint, '') ELSE l.hint END
    WHERE l.id OPERATOR(pg_catalog.=) v_log;
    COMMIT;
    log_id := v_log;
    IF v_state OPERATOR(pg_catalog.=) '57014' THEN
        RAISE EXCEPTION 'maintenance of % was cancelled', maintain_table.relation
            USING ERRCODE = 'query_canceled', HINT = 'SET statement_timeout = 0 before CALL dbperf.maintain().';
    ELSIF v_state IS NOT NULL THEN
        RAISE WARNING 'maintenance of % failed: %', maintain_table.relation, v_message USING ERRCODE = v_state;
    END IF;
END
$$;

COMMENT ON PROCEDURE dbperf.maintain_table(regclass, boolean, bigint) IS
    'One table''s part of dbperf.maintain(): what INSERTs need if it is urgent, else what can wait; logged as a new row of dbperf.maintenance_log, or added to the one with this id. Locks: as the statements of dbperf.maintenance_work(), each of which is tried three times, 2 s apart.';
