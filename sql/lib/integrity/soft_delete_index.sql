CREATE OR REPLACE FUNCTION dbperf.soft_delete_index(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table record;
    v_missing boolean := false;
    v_statement text;
BEGIN
    FOR v_table IN
        SELECT t.relation, c.relkind, c.relname, c.relnamespace, x.indexrelid::regclass AS index, x.indisvalid AS is_valid,
               h.inhparent::regclass AS parent, dbperf.deleted_index(h.inhparent) AS parent_index,
               EXISTS (SELECT FROM pg_catalog.pg_inherits AS a WHERE a.inhrelid = x.indexrelid) AS is_attached
        FROM dbperf.table_tree(soft_delete_index.relation) AS t (relation)
        JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
        LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = dbperf.deleted_index(t.relation)
        LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhrelid = t.relation
        ORDER BY t.relation
    LOOP
        IF v_table.index IS NOT NULL AND v_table.relkind = 'r' AND NOT v_table.is_valid THEN
            statement := pg_catalog.format('DROP INDEX CONCURRENTLY %s', v_table.index); -- an interrupted build left it
            RETURN NEXT;
        END IF;
        IF v_table.index IS NULL OR v_table.relkind = 'r' AND NOT v_table.is_valid THEN
            v_missing := true;
            SELECT pg_catalog.format(
                'CREATE INDEX%s %I ON%s %s (deleted_at, deleted_batch) WHERE deleted_at IS NOT NULL',
                CASE WHEN v_table.relkind = 'r' THEN ' CONCURRENTLY' END, f.name,
                CASE WHEN v_table.relkind = 'p' THEN ' ONLY' END, v_table.relation
            ) INTO v_statement
            FROM (
                SELECT pg_catalog.format('ix_%s_deleted%s', dbperf.cut_name(v_table.relname, 40), '_' || nullif(i, 1)) AS name
                FROM pg_catalog.generate_series(1, 1000) AS i
            ) AS f
            WHERE NOT EXISTS (
                SELECT FROM pg_catalog.pg_class AS c
                WHERE c.relnamespace = v_table.relnamespace AND c.relname = f.name AND c.oid IS DISTINCT FROM v_table.index
            )
            LIMIT 1;
            statement := v_statement;
            RETURN NEXT;
        ELSIF NOT v_missing AND v_table.parent_index IS NOT NULL AND NOT v_table.is_attached AND v_table.relation <> soft_delete_index.relation THEN
            statement := pg_catalog.format('ALTER INDEX %s ATTACH PARTITION %s', v_table.parent_index, v_table.index);
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.soft_delete_index(regclass) IS
    'Statements still to run until the table has the partial index by which undelete and purge find marked rows; live rows are not in it. Locks: ACCESS SHARE on the partitions; the statements say theirs.';
