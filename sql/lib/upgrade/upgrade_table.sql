CREATE OR REPLACE FUNCTION dbperf.upgrade_table(name name)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_live CONSTANT regclass := dbperf.trading_relation(upgrade_table.name);
    v_accept CONSTANT text := dbperf.accepted_obstacles();
    v_target text;
    v_rebuild record;
BEGIN
    SELECT b.* INTO v_rebuild FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND v_live IN (b.source, b.target);
    IF v_rebuild.state = 'cut over' THEN
        RETURN QUERY SELECT pg_catalog.format('CALL dbperf.rebuild_run(%L)', v_live) WHERE NOT v_rebuild.is_tidy OR v_rebuild.afterwards <> '{}' OR EXISTS (SELECT FROM dbperf.rebuild_reference_statements(v_live));
        RETURN;
    ELSIF (SELECT c.relkind = 'p' FROM pg_catalog.pg_class AS c WHERE c.oid = v_live) THEN
        RETURN;
    END IF;

    SELECT pg_catalog.format('%I.%I', n.nspname, dbperf.cut_name(c.relname, 50) || '_next') INTO v_target
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = v_live;
    RETURN QUERY
        SELECT s.statement FROM (
            VALUES
                (v_rebuild.id IS NULL AND dbperf.leftover_target(v_live, v_target), pg_catalog.format('SELECT dbperf.drop_target(%L)', v_target)),
                (v_rebuild.id IS NULL, pg_catalog.format('SELECT dbperf.make_%s(%L, %L%s)', upgrade_table.name, v_live, v_target, ', ' || v_accept)),
                (v_rebuild.id IS NULL, pg_catalog.format('CALL dbperf.maintain(%L)', v_target)),
                (v_rebuild.id IS NULL, pg_catalog.format('SELECT dbperf.rebuild_start(%L, %L%s)', v_live, v_target, ', NULL, ' || v_accept)),
                (true, pg_catalog.format('CALL dbperf.rebuild_run(%L)', v_live)),
                (v_rebuild.copied_at IS NULL, pg_catalog.format('VACUUM (ANALYZE) %s', v_target)),
                (true, pg_catalog.format('SELECT * FROM dbperf.rebuild_verify(%L)', v_live)),
                (true, pg_catalog.format('CALL dbperf.rebuild_run(%L)', v_live)),
                (true, pg_catalog.format('SELECT dbperf.rebuild_cutover(%L)', v_live)),
                (true, pg_catalog.format('CALL dbperf.maintain(%L)', v_live)) -- between the rows and now; and what the swap left
        ) AS s (is_needed, statement)
        WHERE s.is_needed;
END
$$;

COMMENT ON FUNCTION dbperf.upgrade_table(name) IS
    'Statements still to run until a trading table (market_data, alert_logs) is the one that dbperf.make_market_data() or make_alert_logs() describes: a rebuild, cut over and not finalized. Locks: none; the statements say theirs.';
