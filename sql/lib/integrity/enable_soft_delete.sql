CREATE OR REPLACE FUNCTION dbperf.enable_soft_delete(
    relation regclass, hot boolean DEFAULT NULL, on_deleted_key text DEFAULT 'refuse', accept_triggers boolean DEFAULT false
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_obstacles text[];
    v_hot boolean := enable_soft_delete.hot;
    v_columns integer;
BEGIN
    IF enable_soft_delete.relation IS NULL THEN
        RAISE EXCEPTION 'no table to enable soft delete on' USING ERRCODE = 'null_value_not_allowed', HINT = 'Name a table.';
    END IF;
    EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', enable_soft_delete.relation);
    v_obstacles := ARRAY(SELECT o FROM dbperf.soft_delete_obstacles(enable_soft_delete.relation, enable_soft_delete.accept_triggers) AS o);
    IF v_obstacles <> '{}' THEN
        RAISE EXCEPTION 'soft delete would not be safe on %', enable_soft_delete.relation
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = pg_catalog.array_to_string(v_obstacles, '; '),
                  HINT = 'Nothing was changed.';
    END IF;

    SELECT pg_catalog.count(*) INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = enable_soft_delete.relation AND NOT a.attisdropped AND a.attname IN ('deleted_at', 'deleted_batch');
    IF v_columns = 0 THEN
        EXECUTE pg_catalog.format(
            'ALTER TABLE %s ADD COLUMN deleted_at timestamp with time zone, ADD COLUMN deleted_batch bigint',
            enable_soft_delete.relation
        );
        EXECUTE pg_catalog.format('COMMENT ON COLUMN %s.deleted_at IS %L', enable_soft_delete.relation, 'dbperf: when the row was deleted; NULL while it is alive.');
        EXECUTE pg_catalog.format('COMMENT ON COLUMN %s.deleted_batch IS %L', enable_soft_delete.relation, 'dbperf: batch that deleted the row, see dbperf.deletion.');
    END IF;

    IF v_hot IS NULL THEN -- rows arrive in partitioned tables by the million
        SELECT c.relkind = 'p' INTO v_hot FROM pg_catalog.pg_class AS c WHERE c.oid = enable_soft_delete.relation;
    END IF;
    INSERT INTO dbperf.soft_delete_table AS t (relation, columns_made, hot, on_deleted_key, accept_triggers)
    VALUES (enable_soft_delete.relation, v_columns = 0, v_hot, enable_soft_delete.on_deleted_key, enable_soft_delete.accept_triggers)
    ON CONFLICT ON CONSTRAINT soft_delete_table_pkey DO UPDATE SET hot = EXCLUDED.hot, on_deleted_key = EXCLUDED.on_deleted_key, accept_triggers = EXCLUDED.accept_triggers;

    PERFORM dbperf.drop_soft_delete_guards(enable_soft_delete.relation);
    DELETE FROM dbperf.soft_delete_table AS t -- of a table that has become a partition since
    WHERE t.relation <> enable_soft_delete.relation AND t.relation IN (SELECT dbperf.table_tree(enable_soft_delete.relation));
    PERFORM dbperf.make_soft_delete_guards(enable_soft_delete.relation, ARRAY(SELECT dbperf.table_tree(enable_soft_delete.relation)));
    PERFORM dbperf.make_active_view(enable_soft_delete.relation);
END
$$;

COMMENT ON FUNCTION dbperf.enable_soft_delete(regclass, boolean, text, boolean) IS
    'From now on a DELETE marks rows (deleted_at, deleted_batch) and TRUNCATE is refused; the view <table>_active shows what is alive. hot: no trigger may fire on INSERT (default: of a partitioned table). on_deleted_key: refuse or revive. accept_triggers: the table''s own INSERT triggers may fire again for deleted rows of a partitioned table, and those of an ordinary one may fire, or not, as the refusal says. Raises 55000 with every reason where rows could be lost or orphaned. Call it again after partitions, keys or columns were added. Locks: ACCESS EXCLUSIVE on the table and its partitions, briefly.';
