CREATE OR REPLACE FUNCTION dbperf.rebuild_swap(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_most CONSTANT integer := 1000; -- changes that are applied while everybody waits
    v_sides record;
    v_tables regclass[];
    v_statements jsonb;
    v_reason text;
    v_attempts integer;
    v_statement text;
    v_is_partitioned boolean;
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'names are swapped at READ COMMITTED only' USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed''.';
    END IF;
    PERFORM dbperf.rebuild_hold(rebuild_swap.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_swap.relation) AS s;
    -- to tidy up locks the other table for good, and whoever deletes what it references would wait: no pauses then
    SELECT CASE WHEN b.is_tidy THEN 3 ELSE 1 END INTO v_attempts FROM dbperf.rebuild AS b WHERE b.id = v_sides.id;
    PERFORM dbperf.rebuild_tidy(v_sides.live);
    UPDATE dbperf.rebuild AS b SET swapped_xid = pg_catalog.pg_current_xact_id(), swapped_at = pg_catalog.clock_timestamp(), is_tidy = false
    WHERE b.id = v_sides.id;
    PERFORM dbperf.rebuild_check(v_sides.live);

    -- everything that only the other table has to be locked for, while nobody waits: who deletes what it references reads it
    EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', v_sides.shadow);
    v_is_partitioned := (SELECT c.relkind = 'p' FROM pg_catalog.pg_class AS c WHERE c.oid = v_sides.shadow);
    PERFORM dbperf.rebuild_carry(v_sides.live, v_sides.shadow, v_sides.live_columns, v_sides.shadow_columns);
    PERFORM dbperf.rebuild_guards(v_sides.shadow, ARRAY(SELECT dbperf.table_tree(v_sides.shadow)));
    INSERT INTO dbperf.soft_delete_table (relation, columns_made, hot, on_deleted_key, accept_triggers)
    SELECT v_sides.shadow, t.columns_made, t.hot, t.on_deleted_key, t.accept_triggers FROM dbperf.soft_delete_table AS t WHERE t.relation = v_sides.live;
    IF v_is_partitioned THEN -- many triggers; they let the last changes pass by a ticket
        PERFORM dbperf.make_soft_delete_guards(v_sides.shadow, ARRAY(SELECT dbperf.table_tree(v_sides.shadow)));
    END IF;
    INSERT INTO dbperf.delete_ticket (xid, relation, purpose) VALUES (pg_catalog.pg_current_xact_id(), v_sides.shadow, 'move');
    SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(d.stage, d.statement) ORDER BY d.stage, d.place) INTO v_statements
    FROM dbperf.rebuild_dependents(v_sides.live, v_sides.shadow, v_sides.live_columns, v_sides.shadow_columns) AS d;

    -- as readers of views lock them: views first, those that read others before those
    v_tables := ARRAY(SELECT v.view FROM dbperf.rebuild_views(v_sides.live) AS v ORDER BY v.depth DESC)
        || ARRAY(SELECT DISTINCT k.conrelid::regclass FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = v_sides.live AND k.contype = 'f' AND k.conparentid = 0)
        || v_sides.live || v_sides.shadow;
    PERFORM pg_catalog.set_config('dbperf.swapping', 'yes', true); -- what it writes itself is not logged
    FOR v_attempt IN 1..v_attempts LOOP
        FOR v_round IN 1..20 LOOP
            EXIT WHEN dbperf.rebuild_drain(v_sides.live, 5000) < v_most / 4;
        END LOOP;
        v_reason := dbperf.rebuild_try_lock(v_tables, 'ACCESS EXCLUSIVE');
        EXIT WHEN v_reason IS NULL;
        PERFORM pg_catalog.pg_sleep(2) WHERE v_attempt < v_attempts; -- let those through who queued behind us
    END LOOP;
    v_reason := coalesce(v_reason, dbperf.rebuild_unready(v_sides.live, v_most));
    IF v_reason IS NOT NULL THEN
        RAISE EXCEPTION 'the names of % and % could not be swapped', v_sides.live, v_sides.shadow
            USING ERRCODE = 'lock_not_available', DETAIL = v_reason, HINT = CASE WHEN v_attempts = 1 THEN pg_catalog.format('Nothing was changed; CALL dbperf.rebuild_run(%L), which tidies up after the last swap, then call this again.', v_sides.live)
                         ELSE 'Nothing was changed; call this again.' END;
    END IF;

    -- from here on everybody waits
    PERFORM dbperf.rebuild_drain(v_sides.live, 2147483647);
    PERFORM dbperf.rebuild_unstick(v_sides.live);
    PERFORM pg_catalog.set_config('dbperf.swapping', '', true);
    DELETE FROM dbperf.delete_ticket AS t WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = v_sides.shadow;
    IF NOT v_is_partitioned THEN
        PERFORM dbperf.make_soft_delete_guards(v_sides.shadow, ARRAY[v_sides.shadow]);
    END IF;
    PERFORM dbperf.rebuild_set_aside(v_sides.live);
    FOR v_statement IN SELECT s.value ->> 1 FROM pg_catalog.jsonb_array_elements(v_statements) AS s WHERE s.value ->> 0 = '1' LOOP
        EXECUTE v_statement;
    END LOOP;
    PERFORM dbperf.rebuild_rename(v_sides.live);
    FOR v_statement IN SELECT s.value ->> 1 FROM pg_catalog.jsonb_array_elements(v_statements) AS s WHERE s.value ->> 0 = '2' LOOP
        EXECUTE v_statement;
    END LOOP;
    PERFORM dbperf.rebuild_follow(v_sides.live, v_sides.shadow);
    UPDATE dbperf.rebuild AS b
    SET state = CASE WHEN v_sides.is_cut_over THEN 'copying' ELSE 'cut over' END, verified_at = NULL, verified_rows = NULL, differences = NULL,
        afterwards = b.afterwards || ARRAY(SELECT s.value ->> 1 FROM pg_catalog.jsonb_array_elements(v_statements) AS s WHERE s.value ->> 0 = '3')
    WHERE b.id = v_sides.id;
    IF dbperf.active_view(v_sides.shadow) IS NOT NULL AND NOT v_is_partitioned THEN
        PERFORM dbperf.make_active_view(v_sides.shadow); -- its trigger
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_swap(regclass) IS
    'Lets the table that was kept in step take the place of the one that was used, and the other way round: applies the last changes, swaps names of tables and indexes, and lets views, triggers, sequences, publications and foreign keys of others follow. Raises 55P03, with nothing changed, if a lock is not to be had in three times 50 ms, 2 s apart (once, if dbperf.rebuild_run() has not tidied up after the last swap), or an older snapshot is still in use. Locks: ACCESS EXCLUSIVE on the table, its views and the tables that reference it, for milliseconds, until the transaction ends.';
