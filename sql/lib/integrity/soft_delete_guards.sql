CREATE OR REPLACE FUNCTION dbperf.soft_delete_guards(relation regclass, hot boolean, on_deleted_key text, tables regclass[])
RETURNS TABLE (guarded regclass, name name, definition text)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    WITH tree AS (
        SELECT t.relation, c.relkind = 'p' AS partitioned, t.relation = soft_delete_guards.relation AS is_root,
               EXISTS (SELECT FROM dbperf.inbound_keys(soft_delete_guards.relation)) AS is_referenced
        FROM pg_catalog.unnest(soft_delete_guards.tables) AS t (relation)
        JOIN pg_catalog.pg_class AS c ON c.oid = soft_delete_guards.relation
    ),
    referenced AS (
        SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(a.attname), ', ') AS columns,
               pg_catalog.string_agg(DISTINCT pg_catalog.format('OLD.%I', a.attname), ', ') AS before,
               pg_catalog.string_agg(DISTINCT pg_catalog.format('NEW.%I', a.attname), ', ') AS after
        FROM dbperf.inbound_keys(soft_delete_guards.relation) AS k
        JOIN pg_catalog.pg_constraint AS x ON x.oid = k.key
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.confrelid AND a.attnum = ANY (x.confkey)
    ),
    referencing AS (
        SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(u.name), ', ') AS columns
        FROM dbperf.outbound_keys(soft_delete_guards.relation) AS k
        CROSS JOIN pg_catalog.unnest(k.columns) AS u (name)
    )
    SELECT t.relation, g.name::name, pg_catalog.format(g.definition, pg_catalog.quote_ident(g.name), t.relation, r.columns, pg_catalog.quote_literal(soft_delete_guards.on_deleted_key), d.columns, d.before, d.after)
    FROM tree AS t
    CROSS JOIN referencing AS r
    CROSS JOIN referenced AS d
    CROSS JOIN LATERAL (
        VALUES
            (NOT t.partitioned, 'dbperf_queue_deletion',
             'CREATE TRIGGER %s BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION dbperf.queue_deletion()'),
            (NOT t.partitioned, 'dbperf_mark_deleted',
             'CREATE TRIGGER %s AFTER DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION dbperf.mark_deleted()'),
            (t.partitioned, 'dbperf_keep_deleted',
             'CREATE TRIGGER %s AFTER DELETE ON %s REFERENCING OLD TABLE AS removed_rows FOR EACH STATEMENT EXECUTE FUNCTION dbperf.keep_deleted()'),
            (true, 'dbperf_refuse_truncate',
             'CREATE TRIGGER %s BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION dbperf.refuse_truncate()'),
            (NOT t.is_referenced, 'dbperf_record_deletion',
             'CREATE TRIGGER %s AFTER UPDATE OF deleted_at, deleted_batch ON %s FOR EACH STATEMENT EXECUTE FUNCTION dbperf.record_deletion()'),
            -- not of a partitioned table, where movement and keep_deleted() insert rows with marks
            (NOT t.partitioned AND NOT soft_delete_guards.hot, 'dbperf_refuse_marked_row',
             'CREATE TRIGGER %s BEFORE INSERT ON %s FOR EACH ROW'
             ' WHEN (NEW.deleted_at IS NOT NULL OR NEW.deleted_batch IS NOT NULL) EXECUTE FUNCTION dbperf.refuse_false_mark()'),
            -- the rows of a statement at once: transition tables and a list of columns exclude each other
            (t.is_referenced, 'dbperf_restrict_deletion',
             'CREATE TRIGGER %s AFTER UPDATE ON %s REFERENCING NEW TABLE AS updated_rows FOR EACH STATEMENT EXECUTE FUNCTION dbperf.restrict_deletion()'),
            -- the row triggers of a root stand on its partitions too, also on those that are still to come
            (t.is_root, 'dbperf_refuse_false_mark',
             'CREATE TRIGGER %s BEFORE UPDATE OF deleted_at, deleted_batch ON %s FOR EACH ROW'
             ' WHEN ((OLD.deleted_at, OLD.deleted_batch) IS DISTINCT FROM (NEW.deleted_at, NEW.deleted_batch)'
             ' AND (OLD.deleted_at IS NULL AND NEW.deleted_at = pg_catalog.transaction_timestamp()'
             ' AND NEW.deleted_batch = pg_catalog.pg_current_xact_id()::text::bigint) IS NOT TRUE)'
             ' EXECUTE FUNCTION dbperf.refuse_false_mark()'),
            (t.is_root AND t.is_referenced, 'dbperf_keep_deleted_key',
             'CREATE TRIGGER %1$s BEFORE UPDATE OF %5$s ON %2$s FOR EACH ROW'
             ' WHEN (OLD.deleted_at IS NOT NULL AND ROW(%6$s) IS DISTINCT FROM ROW(%7$s)) EXECUTE FUNCTION dbperf.keep_deleted_key()'),
            (t.is_root AND NOT soft_delete_guards.hot AND r.columns IS NOT NULL, 'dbperf_refuse_deleted_parent',
             'CREATE TRIGGER %1$s BEFORE INSERT OR UPDATE OF %3$s ON %2$s FOR EACH ROW'
             ' WHEN (NEW.deleted_at IS NULL) EXECUTE FUNCTION dbperf.refuse_deleted_parent()'),
            (t.is_root AND NOT soft_delete_guards.hot, 'dbperf_meet_deleted_key',
             'CREATE TRIGGER %1$s BEFORE INSERT ON %2$s FOR EACH ROW WHEN (NEW.deleted_at IS NULL)'
             ' EXECUTE FUNCTION dbperf.meet_deleted_key(%4$s)'),
            (t.is_root AND NOT soft_delete_guards.hot, 'dbperf_update_deleted',
             'CREATE TRIGGER %1$s BEFORE UPDATE ON %2$s FOR EACH ROW WHEN (OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NOT NULL)'
             ' EXECUTE FUNCTION dbperf.update_deleted(%4$s)'),
            (NOT soft_delete_guards.hot, 'dbperf_end_insert',
             'CREATE TRIGGER %s AFTER INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION dbperf.end_insert()')
    ) AS g (wanted, name, definition)
    WHERE g.wanted
    ORDER BY t.relation, g.name
$$;

COMMENT ON FUNCTION dbperf.soft_delete_guards(regclass, boolean, text, regclass[]) IS
    'The triggers that the table''s soft delete needs on these tables: itself, its partitions, or what is about to become one. Locks: none.';
