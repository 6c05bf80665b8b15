CREATE OR REPLACE FUNCTION dbperf.orphans(relation regclass)
RETURNS TABLE (key_name name, parent regclass, row_key jsonb, reason text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy must not hide a parent, nor an orphan
AS $$
DECLARE
    v_key record;
    v_child text;
    v_is_alive text;
BEGIN
    FOR v_key IN
        SELECT o.*, k.confrelid::regclass AS referenced, k.confmatchtype = 'f' AS is_full, c.relkind = 'p' AS child_is_partitioned, p.relkind = 'p' AS parent_is_partitioned
        FROM dbperf.outbound_keys(orphans.relation) AS o
        JOIN pg_catalog.pg_constraint AS k ON k.oid = o.key
        JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
        ORDER BY o.name
    LOOP
        -- a key ends at the table itself: tables that inherit from it (INHERITS) are not its matter
        v_child := CASE WHEN v_key.child_is_partitioned THEN '' ELSE 'ONLY ' END || v_key.child;
        v_is_alive := CASE WHEN dbperf.has_soft_delete(v_key.child) THEN ' AND r.deleted_at IS NULL' ELSE '' END;
        RETURN QUERY EXECUTE pg_catalog.format(
            'SELECT %L::name, $1, %s, %L FROM %s AS r WHERE (%s) AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
            v_key.name, dbperf.row_key(v_key.child), 'missing', v_child,
            (SELECT pg_catalog.string_agg(pg_catalog.format('r.%I IS NOT NULL', u.name), CASE WHEN v_key.is_full THEN ' OR ' ELSE ' AND ' END)
             FROM pg_catalog.unnest(v_key.columns) AS u (name)),
            CASE WHEN v_key.parent_is_partitioned THEN '' ELSE 'ONLY ' END || v_key.referenced, dbperf.key_match(v_key.key, 'r', 'p')
        ) USING v_key.parent;
        IF dbperf.has_soft_delete(v_key.parent) THEN
            RETURN QUERY EXECUTE pg_catalog.format(
                'SELECT %L::name, $1, %s, %L FROM %s AS r JOIN %s AS p ON %s WHERE p.deleted_at IS NOT NULL%s',
                v_key.name, dbperf.row_key(v_key.child), 'deleted', v_child, v_key.parent, dbperf.key_match(v_key.key, 'r', 'p'), v_is_alive
            ) USING v_key.parent;
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.orphans(regclass) IS
    'Every row whose referenced row is missing, and every live row whose referenced row is deleted: foreign key, referenced table, the row''s key, reason (missing or deleted). Reads the whole table once for each key. Locks: ACCESS SHARE on the table and those it references.';
