CREATE OR REPLACE FUNCTION dbperf.restore_keys(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_change record;
    v_statements text[];
BEGIN
    FOR v_change IN
        SELECT x.* FROM dbperf.key_change AS x
        WHERE x.relation IN (SELECT dbperf.table_tree(restore_keys.relation))
        ORDER BY x.relation, x.key_name
    LOOP
        v_statements := ARRAY(
            SELECT r.statement
            FROM dbperf.replace_key(
                v_change.relation, v_change.key_name, v_change.on_delete, v_change.on_update, v_change.delete_columns,
                v_change.is_deferrable, v_change.is_deferred, dbperf.key_leaf_names(v_change.relation, v_change.key_name), v_change.comment
            ) AS r
        );
        IF v_statements = '{}' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = v_change.relation AND k.contype = 'f' AND k.conname = v_change.key_name
        ) THEN
            RAISE EXCEPTION 'foreign key % of % was dropped or renamed', pg_catalog.quote_ident(v_change.key_name), v_change.relation
                USING ERRCODE = 'undefined_object',
                      DETAIL = pg_catalog.format('It was: %s.', v_change.definition),
                      HINT = pg_catalog.format('Give it its name back; or, to leave it, delete it from dbperf.key_change_leaf and dbperf.key_change (relation %L, key_name %L).', v_change.relation, v_change.key_name);
        END IF;
        IF v_statements = '{}' THEN
            DELETE FROM dbperf.key_change_leaf AS l WHERE l.relation = v_change.relation AND l.key_name = v_change.key_name;
            DELETE FROM dbperf.key_change AS x WHERE x.relation = v_change.relation AND x.key_name = v_change.key_name;
        END IF;
        IF v_statements <> '{}' AND v_change.on_delete = 'c' THEN -- as a statement: before this one runs, others may disable soft delete
            statement := pg_catalog.format('SELECT dbperf.refuse_cascade(%L, %L)', v_change.relation, v_change.key_name);
            RETURN NEXT;
        END IF;
        RETURN QUERY SELECT s FROM pg_catalog.unnest(v_statements) AS s;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.restore_keys(regclass) IS
    'Statements still to run until the foreign keys that restrict_keys() changed are as they were, names and comments included; forgets each once it is. Raises 42704 if somebody dropped or renamed one. The first one refuses (55000) while soft delete would make orphans of a cascade. Locks: ACCESS SHARE on the partitions; the statements say theirs.';
