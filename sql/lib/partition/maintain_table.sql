CREATE OR REPLACE PROCEDURE dbperf.maintain_table(relation regclass, urgent boolean, INOUT log_id bigint, INOUT blocked boolean)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_started CONSTANT timestamp with time zone := pg_catalog.clock_timestamp();
    v_log bigint := maintain_table.log_id;
    v_is_blocked boolean := false;
    v_tasks text[] := '{}';
    v_statements text[];
    v_done text[] := '{}';
    v_state text;
    v_message text;
    v_hint text;
BEGIN
    BEGIN
        SELECT coalesce(pg_catalog.array_agg(w.task), '{}'), pg_catalog.array_agg(w.statement) INTO v_tasks, v_statements
        FROM dbperf.maintenance_work(maintain_table.relation, maintain_table.urgent) AS w;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
    END;
    COMMIT;

    FOR v_place IN 1..pg_catalog.cardinality(v_tasks) LOOP
        BEGIN -- each in a transaction of its own: its locks on other tables end with it
            EXECUTE v_statements[v_place];
            IF pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL THEN -- else another maintainer had done it
                v_done := pg_catalog.array_append(v_done, v_tasks[v_place]);
            END IF;
        EXCEPTION
            WHEN query_canceled THEN -- by a timeout, or by somebody: said, and raised again
                GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
            WHEN lock_not_available OR deadlock_detected THEN -- who is in the way of this is mostly in the way of the rest
                v_state := coalesce(v_state, SQLSTATE);
                v_message := coalesce(v_message, pg_catalog.format('somebody holds a lock that %s needs', v_statements[v_place]));
                v_hint := coalesce(nullif(v_hint, ''), 'Look for long transactions in pg_stat_activity, on the table and those that it references; the next run goes on.');
                v_is_blocked := true;
            WHEN OTHERS THEN -- a gap that cannot be filled must not stop what is ahead: the first error is logged
                v_is_blocked := v_is_blocked OR SQLSTATE OPERATOR(pg_catalog.=) '42P17'; -- the policy was changed meanwhile: look again
                IF v_state IS NULL THEN
                    GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
                END IF;
        END;
        COMMIT;
        EXIT WHEN v_is_blocked OR v_state OPERATOR(pg_catalog.=) '57014';
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
        -- a later round stands for an earlier one of the same; what can wait hides no failure of what is urgent
        sqlstate = CASE WHEN maintain_table.urgent OR l.sqlstate IS NULL THEN v_state ELSE l.sqlstate END,
        message = CASE WHEN maintain_table.urgent OR l.sqlstate IS NULL THEN v_message ELSE l.message END,
        hint = CASE WHEN maintain_table.urgent OR l.sqlstate IS NULL THEN nullif(v_hint, '') ELSE l.hint END
    WHERE l.id OPERATOR(pg_catalog.=) v_log;
    COMMIT;
    log_id := v_log;
    blocked := v_is_blocked;
    IF v_state OPERATOR(pg_catalog.=) '57014' THEN
        RAISE EXCEPTION 'maintenance of % was cancelled', maintain_table.relation
            USING ERRCODE = 'query_canceled', HINT = 'SET statement_timeout = 0 before CALL dbperf.maintain().';
    END IF;
END
$$;

COMMENT ON PROCEDURE dbperf.maintain_table(regclass, boolean, bigint, boolean) IS
    'One table''s part of dbperf.maintain(): what INSERTs need if it is urgent, else what can wait; logged as a new row of dbperf.maintenance_log, or in the one with this id. Stops, blocked, where somebody holds a lock. Locks: as the statements of dbperf.maintenance_work().';
