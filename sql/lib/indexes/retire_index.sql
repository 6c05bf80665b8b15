CREATE OR REPLACE FUNCTION dbperf.retire_index(relation regclass, VARIADIC columns name[])
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_index record;
BEGIN
    FOR v_index IN
        SELECT i.indexrelid, i.indisvalid, i.indisclustered, c.relname, c.reloptions, t.spcname
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        LEFT JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
        WHERE i.indrelid = retire_index.relation
          AND dbperf.plain_index_columns(i.indexrelid) = retire_index.columns
        ORDER BY c.relname
    LOOP
        -- invalid and unknown: somebody is building it, or left it; either way not ours to touch
        CONTINUE WHEN NOT v_index.indisvalid AND NOT EXISTS (
            SELECT FROM dbperf.index_change AS x
            WHERE x.relation = retire_index.relation AND x.index_name = v_index.relname
        );

        INSERT INTO dbperf.index_change
            (relation, index_name, change, columns, definition, options, tablespace, comment, clustered)
        VALUES (
            retire_index.relation, v_index.relname, 'retired', retire_index.columns,
            pg_catalog.pg_get_indexdef(v_index.indexrelid), v_index.reloptions, v_index.spcname,
            pg_catalog.obj_description(v_index.indexrelid, 'pg_class'), v_index.indisclustered
        )
        ON CONFLICT DO NOTHING;

        statement := pg_catalog.format('DROP INDEX CONCURRENTLY %s', v_index.indexrelid::regclass);
        RETURN NEXT;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.retire_index(regclass, name[]) IS
    'Statements still to run until the table has no plain index on exactly these columns, whatever its name; the definition is kept in dbperf.index_change first. Unique, partial and other indexes are left alone. Locks: none; the statements say theirs.';
