CREATE OR REPLACE FUNCTION dbperf.rebuild_guards(relation regclass, tables regclass[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_xid xid8;
    v_table regclass;
    v_statement text;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_guards.relation) AS s;
    SELECT b.swapped_xid INTO v_xid FROM dbperf.rebuild AS b WHERE b.id = v_sides.id;
    FOREACH v_table IN ARRAY rebuild_guards.tables LOOP
        FOR v_statement IN
            SELECT pg_catalog.format(
                'CREATE TRIGGER dbperf_rebuild_%s AFTER %s ON %s REFERENCING %s FOR EACH STATEMENT%s EXECUTE FUNCTION dbperf.rebuild_log_changes(%L, %L, %L)',
                pg_catalog.lower(e.event), e.event, v_table, e.transition,
                -- what the swap itself writes is the last that comes by the log
                CASE WHEN v_xid IS NOT NULL THEN pg_catalog.format(' WHEN (pg_catalog.pg_current_xact_id_if_assigned() IS DISTINCT FROM %L::xid8 OR pg_catalog.current_setting(''dbperf.swapping'', true) IS DISTINCT FROM ''yes'')', v_xid) END, v_sides.log,
                (SELECT pg_catalog.string_agg('k' || i, ', ' ORDER BY i) FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i),
                dbperf.rebuild_columns(CASE WHEN rebuild_guards.relation = v_sides.live THEN v_sides.live_key ELSE v_sides.shadow_key END)
            )
            FROM (VALUES ('INSERT', 'NEW TABLE AS new_rows'), ('UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows'), ('DELETE', 'OLD TABLE AS old_rows')) AS e (event, transition)
            UNION ALL
            SELECT pg_catalog.format('CREATE TRIGGER dbperf_rebuild_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION dbperf.rebuild_refuse_truncate()', v_table)
            UNION ALL
            SELECT pg_catalog.format(
                'CREATE TRIGGER dbperf_rebuild_snapshot BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT'
                ' WHEN (NOT pg_catalog.pg_visible_in_snapshot(%2$L::xid8, pg_catalog.pg_current_snapshot()) AND pg_catalog.pg_current_xact_id_if_assigned() IS DISTINCT FROM %2$L::xid8)'
                ' EXECUTE FUNCTION dbperf.rebuild_refuse_snapshot(%3$L)', v_table, v_xid, v_table::oid
            )
            WHERE v_xid IS NOT NULL
        LOOP
            EXECUTE v_statement;
        END LOOP;
        FOR v_statement IN -- also for session_replication_role = replica
            SELECT pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', v_table, g.tgname) FROM pg_catalog.pg_trigger AS g
            WHERE g.tgrelid = v_table AND g.tgname LIKE 'dbperf\_rebuild\_%'
        LOOP
            EXECUTE v_statement;
        END LOOP;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_guards(regclass, regclass[]) IS
    'Makes the triggers of a rebuild on these tables, the one it names or its partitions: changes go to the log, TRUNCATE is refused, and so are snapshots older than the last swap. Locks: SHARE ROW EXCLUSIVE on them.';
