CREATE OR REPLACE FUNCTION dbperf.downgrade_table(name name)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_live CONSTANT regclass := dbperf.trading_relation(downgrade_table.name); -- NULL if it was dropped
    v_accept CONSTANT text := dbperf.accepted_obstacles();
    v_back text;
    v_target text;
    v_rebuild record;
    v_is_partitioned boolean;
BEGIN
    IF v_live IS NULL THEN -- somebody dropped it
        RETURN QUERY
            SELECT pg_catalog.format('SELECT dbperf.rebuild_forget(%s)', b.id)
            FROM dbperf.rebuild AS b
            WHERE b.ended_at IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = CASE b.state WHEN 'cut over' THEN b.target ELSE b.source END);
        RETURN;
    END IF;
    SELECT b.* INTO v_rebuild FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND v_live IN (b.source, b.target);
    v_is_partitioned := (SELECT c.relkind = 'p' FROM pg_catalog.pg_class AS c WHERE c.oid = v_live);
    SELECT pg_catalog.format('%I.%I', n.nspname, dbperf.cut_name(c.relname, 50) || '_next'), pg_catalog.format('%I.%I', n.nspname, dbperf.cut_name(c.relname, 50) || '_back')
    INTO v_target, v_back
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = v_live;

    IF v_is_partitioned AND (v_rebuild.id IS NULL OR v_rebuild.source = v_live) THEN -- finalized: a rebuild in reverse
        RETURN QUERY
            SELECT s.statement FROM (
                VALUES
                    (v_rebuild.id IS NULL AND dbperf.leftover_target(v_live, v_back), pg_catalog.format('SELECT dbperf.drop_target(%L)', v_back)),
                    (v_rebuild.id IS NULL, pg_catalog.format('SELECT dbperf.make_former_table(%L, %L)', v_live, v_back)),
                    (v_rebuild.id IS NULL, pg_catalog.format('SELECT dbperf.rebuild_start(%L, %L%s)', v_live, v_back, ', NULL, ' || v_accept)),
                    (true, pg_catalog.format('CALL dbperf.rebuild_run(%L)', v_live)),
                    (v_rebuild.copied_at IS NULL, pg_catalog.format('VACUUM (ANALYZE) %s', v_back)),
                    (true, pg_catalog.format('SELECT * FROM dbperf.rebuild_verify(%L)', v_live)),
                    (true, pg_catalog.format('CALL dbperf.rebuild_run(%L)', v_live)),
                    (true, pg_catalog.format('SELECT dbperf.rebuild_cutover(%L)', v_live))
            ) AS s (is_needed, statement)
            WHERE s.is_needed;
    ELSIF v_is_partitioned THEN
        RETURN QUERY VALUES
            (pg_catalog.format('CALL dbperf.rebuild_run(%L)', v_live)), (pg_catalog.format('SELECT * FROM dbperf.rebuild_verify(%L)', v_live)),
            (pg_catalog.format('CALL dbperf.rebuild_run(%L)', v_live)), (pg_catalog.format('SELECT dbperf.rebuild_revert(%L)', v_live));
    ELSIF v_rebuild.state = 'cut over' THEN -- that rebuild in reverse
        RETURN QUERY VALUES (pg_catalog.format('CALL dbperf.rebuild_run(%L)', v_live)), (pg_catalog.format('SELECT dbperf.end_downgrade(%L)', v_live));
    ELSIF v_rebuild.id IS NOT NULL THEN
        RETURN QUERY VALUES (pg_catalog.format('CALL dbperf.rebuild_settle(%L)', v_live)), (pg_catalog.format('SELECT dbperf.rebuild_abort(%L)', v_live));
    ELSIF EXISTS (SELECT FROM dbperf.partition_policy AS p WHERE p.relation = pg_catalog.to_regclass(v_target)) AND dbperf.leftover_target(v_live, v_target) THEN
        RETURN QUERY VALUES (pg_catalog.format('SELECT dbperf.drop_target(%L)', v_target));
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.downgrade_table(name) IS
    'Statements still to run until a trading table is as it was before dbperf.upgrade_table(): reverted if it was not finalized, else rebuilt in reverse; with every write since. Locks: none; the statements say theirs.';
