CREATE OR REPLACE PROCEDURE dbperf.maintain(relation regclass DEFAULT NULL)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_relations oid[];
    v_logs bigint[];
    v_blocked boolean[];
    v_log bigint;
    v_is_blocked boolean;
    v_place integer;
    v_failure record;
BEGIN
    v_relations := ARRAY(
        SELECT p.relation::oid FROM dbperf.partition_policy AS p
        WHERE NOT p.paused AND (maintain.relation IS NULL OR p.relation OPERATOR(pg_catalog.=) maintain.relation)
        ORDER BY p.relation::oid
    );
    v_blocked := pg_catalog.array_fill(true, ARRAY[pg_catalog.cardinality(v_relations)]);
    -- what INSERTs need, of every table, before anybody is waited for; then the locked ones again; then what can wait
    FOR v_round IN 1..4 LOOP
        IF v_round OPERATOR(pg_catalog.=) ANY (ARRAY[2, 3]) THEN
            CONTINUE WHEN NOT (true OPERATOR(pg_catalog.=) ANY (v_blocked));
            PERFORM pg_catalog.pg_sleep(2); -- let those through who queued behind us
            COMMIT;
        END IF;
        FOR v_place IN 1..pg_catalog.cardinality(v_relations) LOOP
            CONTINUE WHEN v_round OPERATOR(pg_catalog.<) 4 AND NOT v_blocked[v_place];
            v_log := v_logs[v_place];
            v_is_blocked := false;
            CALL dbperf.maintain_table(v_relations[v_place]::regclass, v_round OPERATOR(pg_catalog.<) 4, v_log, v_is_blocked);
            v_logs[v_place] := v_log;
            v_blocked[v_place] := v_is_blocked;
        END LOOP;
    END LOOP;
    FOR v_failure IN
        SELECT l.relation, l.message, l.sqlstate FROM dbperf.maintenance_log AS l
        WHERE l.id OPERATOR(pg_catalog.=) ANY (v_logs) AND l.sqlstate IS NOT NULL ORDER BY l.id
    LOOP
        RAISE WARNING 'maintenance of % failed: %', v_failure.relation, v_failure.message USING ERRCODE = v_failure.sqlstate;
    END LOOP;
    IF pg_catalog.to_regclass('dbperf.rebuild') IS NOT NULL THEN -- the log of a rebuild that is cut over grows until it is applied
        FOR v_failure IN
            SELECT b.target FROM dbperf.rebuild AS b
            WHERE b.state OPERATOR(pg_catalog.=) 'cut over' AND (maintain.relation IS NULL OR b.target OPERATOR(pg_catalog.=) maintain.relation)
        LOOP
            CALL dbperf.rebuild_run(v_failure.target);
        END LOOP;
    END IF;
END
$$;

COMMENT ON PROCEDURE dbperf.maintain(regclass) IS
    'Makes the partitions that the policies ask for, whether or not data arrives, then records closed ones, and gives the others what their template has; of one table or all; and keeps tables in step whose rebuild is not finalized. A row in dbperf.maintenance_log for each table. A table that fails is logged with its SQLSTATE and the others go on. Any number of sessions may call it at once. Locks: as dbperf.create_partition() and dbperf.match_template(), a transaction for each partition; what is locked is tried again after all others, three times, 2 s apart.';
