CREATE OR REPLACE FUNCTION dbperf.rebuild_swap(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_most CONSTANT integer := 1000; -- changes that are applied while everybody waits
    v_sides record;
    v_tables regclass[];
    v_statements jsonb;
    v_views jsonb; -- by name: definitions as they are before
    v_reason text;
    v_attempts CONSTANT integer := 3;
    v_statement text;
    v_is_partitioned boolean;
    v_early boolean;
    v_live_keys jsonb;
    v_shadow_keys jsonb;
    v_referenced regclass[];
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'names are swapped at READ COMMITTED only' USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed''.';
    END IF;
    PERFORM dbperf.rebuild_hold(rebuild_swap.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_swap.relation) AS s;
    PERFORM dbperf.rebuild_tidy(v_sides.live);
    UPDATE dbperf.rebuild AS b SET swapped_xid = pg_catalog.pg_current_xact_id(), swapped_at = pg_catalog.clock_timestamp(), is_tidy = false
    WHERE b.id = v_sides.id;
    PERFORM dbperf.rebuild_check(v_sides.live);

    -- everything that only the other table has to be locked for, while nobody waits
    EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', v_sides.shadow);
    v_is_partitioned := (SELECT c.relkind = 'p' FROM pg_catalog.pg_class AS c WHERE c.oid = v_sides.shadow);
    PERFORM dbperf.rebuild_carry(v_sides.live);
    PERFORM dbperf.rebuild_guards(v_sides.shadow, ARRAY(SELECT dbperf.table_tree(v_sides.shadow)));
    INSERT INTO dbperf.soft_delete_table (relation, columns_made, hot, on_deleted_key, accept_triggers)
    SELECT v_sides.shadow, t.columns_made, t.hot, t.on_deleted_key, t.accept_triggers FROM dbperf.soft_delete_table AS t WHERE t.relation = v_sides.live;
    -- many triggers; they let the last changes pass by a ticket. Others than of a table that is referenced, which it is not yet
    v_early := v_is_partitioned AND NOT EXISTS (SELECT FROM dbperf.inbound_keys(v_sides.live));
    IF v_early THEN
        PERFORM dbperf.make_soft_delete_guards(v_sides.shadow, ARRAY(SELECT dbperf.table_tree(v_sides.shadow)));
    END IF;
    INSERT INTO dbperf.delete_ticket (xid, relation, purpose) VALUES (pg_catalog.pg_current_xact_id(), v_sides.shadow, 'move');
    SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(d.stage, d.statement) ORDER BY d.stage, d.place, d.ordinality) INTO v_statements
    FROM dbperf.rebuild_dependents(v_sides.live, v_sides.shadow, v_sides.live_columns, v_sides.shadow_columns) WITH ORDINALITY AS d;

    v_views := (SELECT pg_catalog.jsonb_object_agg(v.view, pg_catalog.pg_get_viewdef(v.view)) FROM dbperf.rebuild_views(v_sides.live) AS v);
    SELECT dbperf.rebuild_references(v_sides.live, r.live_keys), dbperf.rebuild_name_references(dbperf.rebuild_references(v_sides.live, r.live_keys), r.shadow_keys, v_sides.live_columns, v_sides.shadow_columns)
    INTO v_live_keys, v_shadow_keys
    FROM dbperf.rebuild AS b
    CROSS JOIN LATERAL (
        SELECT CASE WHEN v_sides.is_cut_over THEN b.target_references ELSE b.source_references END, CASE WHEN v_sides.is_cut_over THEN b.source_references ELSE b.target_references END
    ) AS r (live_keys, shadow_keys)
    WHERE b.id = v_sides.id;

    -- as readers of views lock them: views first, those that read others before those; then as who inserts does
    v_referenced := dbperf.rebuild_referenced(v_live_keys || v_shadow_keys);
    v_tables := ARRAY(SELECT v.view FROM dbperf.rebuild_views(v_sides.live) AS v ORDER BY v.depth DESC)
        || ARRAY(SELECT DISTINCT k.conrelid::regclass FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = v_sides.live AND k.contype = 'f' AND k.conparentid = 0)
        || v_sides.live || v_sides.shadow || v_referenced;
    PERFORM pg_catalog.set_config('dbperf.swapping', 'yes', true); -- what it writes itself is not logged
    FOR v_attempt IN 1..v_attempts LOOP
        FOR v_round IN 1..20 LOOP
            EXIT WHEN dbperf.rebuild_drain(v_sides.live, 5000) < v_most / 4;
        END LOOP;
        v_reason := dbperf.rebuild_try_lock(v_tables, 'SHARE UPDATE EXCLUSIVE'); -- ends a vacuum while nobody waits
        BEGIN -- whoever changes what is referenced waits while the partitions get their keys; if that was in vain it is undone
            v_reason := coalesce(v_reason, dbperf.rebuild_try_lock(v_referenced, 'SHARE ROW EXCLUSIVE'));
            IF v_reason IS NULL THEN
                PERFORM dbperf.rebuild_put_references(v_sides.shadow, v_shadow_keys);
                v_reason := dbperf.rebuild_try_lock(v_tables, 'ACCESS EXCLUSIVE');
            END IF;
            v_reason := coalesce(v_reason, dbperf.rebuild_unready(v_sides.live, v_most));
            IF v_reason IS NOT NULL THEN
                RAISE EXCEPTION 'the names of % and % could not be swapped', v_sides.live, v_sides.shadow USING ERRCODE = 'lock_not_available';
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            v_reason := coalesce(v_reason, SQLERRM);
        END;
        EXIT WHEN v_reason IS NULL;
        PERFORM pg_catalog.pg_sleep(2) WHERE v_attempt < v_attempts; -- let those through who queued behind us
    END LOOP;
    IF v_reason IS NOT NULL THEN
        RAISE EXCEPTION 'the names of % and % could not be swapped', v_sides.live, v_sides.shadow
            USING ERRCODE = 'lock_not_available', DETAIL = v_reason, HINT = 'Nothing was changed; call this again.';
    END IF;

    -- from here on everybody waits
    PERFORM dbperf.rebuild_drain(v_sides.live, 2147483647);
    PERFORM dbperf.rebuild_unstick(v_sides.live);
    SET CONSTRAINTS ALL IMMEDIATE; -- no table can be altered while checks of its rows are put off
    PERFORM pg_catalog.set_config('dbperf.swapping', '', true);
    DELETE FROM dbperf.delete_ticket AS t WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = v_sides.shadow;
    PERFORM dbperf.rebuild_take_references(v_sides.live);
    PERFORM dbperf.rebuild_set_aside(v_sides.live);
    FOR v_statement IN SELECT s.value ->> 1 FROM pg_catalog.jsonb_array_elements(v_statements) AS s WHERE s.value ->> 0 = '1' LOOP
        EXECUTE v_statement;
    END LOOP;
    PERFORM dbperf.rebuild_rename(v_sides.live);
    FOR v_statement IN SELECT s.value ->> 1 FROM pg_catalog.jsonb_array_elements(v_statements) AS s WHERE s.value ->> 0 = '2' LOOP
        EXECUTE v_statement;
    END LOOP;
    PERFORM dbperf.rebuild_follow(v_sides.live, v_sides.shadow);
    -- now that it has all its keys, in both directions
    PERFORM dbperf.make_soft_delete_guards(v_sides.shadow, CASE WHEN v_early THEN ARRAY[v_sides.shadow] ELSE ARRAY(SELECT dbperf.table_tree(v_sides.shadow)) END);
    UPDATE dbperf.rebuild AS b
    SET source_references = CASE WHEN v_sides.is_cut_over THEN v_shadow_keys ELSE v_live_keys END,
        target_references = CASE WHEN v_sides.is_cut_over THEN v_live_keys ELSE v_shadow_keys END,
        translations = b.translations || coalesce((
            SELECT pg_catalog.jsonb_object_agg('view ' || v.key, CASE WHEN v_sides.is_cut_over THEN pg_catalog.jsonb_build_object('target', v.value, 'source', d.now) ELSE pg_catalog.jsonb_build_object('source', v.value, 'target', d.now) END)
            FROM pg_catalog.jsonb_each_text(v_views) AS v CROSS JOIN LATERAL pg_catalog.pg_get_viewdef(v.key::regclass) AS d (now)
        ), '{}'),
        state = CASE WHEN v_sides.is_cut_over THEN 'copying' ELSE 'cut over' END, verified_at = NULL, verified_rows = NULL, differences = NULL,
        afterwards = b.afterwards || ARRAY(SELECT s.value ->> 1 FROM pg_catalog.jsonb_array_elements(v_statements) AS s WHERE s.value ->> 0 = '3')
    WHERE b.id = v_sides.id;
    IF dbperf.active_view(v_sides.shadow) IS NOT NULL AND NOT v_is_partitioned THEN
        PERFORM dbperf.make_active_view(v_sides.shadow); -- its trigger
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_swap(regclass) IS
    'Lets the table that was kept in step take the place of the one that was used, and the other way round: applies the last changes, swaps names of tables and indexes, and lets views, triggers, sequences, publications and foreign keys of others follow. Raises 55P03, with nothing changed, if a lock is not to be had in three times 50 ms, 2 s apart, or an older snapshot is still in use. Locks: ACCESS EXCLUSIVE on the table, its views, and the tables that reference it and that it references, for milliseconds, until the transaction ends.';
