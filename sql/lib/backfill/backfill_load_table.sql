CREATE OR REPLACE FUNCTION dbperf.backfill_load_table(relation regclass)
RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_table regclass;
    v_name text;
    v_statement text;
BEGIN
    SELECT c.oid INTO v_table
    FROM dbperf.backfill AS b JOIN pg_catalog.pg_class AS c ON c.oid = b.load_table
    WHERE b.relation = backfill_load_table.relation AND b.ended_at IS NULL LIMIT 1;
    IF FOUND THEN
        RETURN v_table;
    END IF;
    v_name := dbperf.name_beside(backfill_load_table.relation, '_backfill', 50);
    EXECUTE pg_catalog.format(
        'CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING GENERATED) PARTITION BY %s',
        v_name, backfill_load_table.relation, pg_catalog.pg_get_partkeydef(backfill_load_table.relation)
    );
    v_table := v_name::regclass;
    EXECUTE pg_catalog.format('COMMENT ON TABLE %s IS %L', v_table, pg_catalog.format(
        'dbperf: rows of a backfill of %s are written here; nobody sees them there before dbperf.backfill_finish(). Gone with the last of its partitions.', backfill_load_table.relation));
    PERFORM dbperf.own_partition(backfill_load_table.relation, v_table);
    FOR v_statement IN
        SELECT pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT pg_catalog.nextval(%L::regclass)', v_table, a.attname, s.sequence)
        FROM pg_catalog.pg_attribute AS a CROSS JOIN LATERAL dbperf.rebuild_identity(a.attrelid, a.attname) AS s (sequence)
        WHERE a.attrelid = backfill_load_table.relation AND a.attidentity <> '' AND NOT a.attisdropped
        UNION ALL -- who may write the table may write history, but read none of it; a policy could not be asked
        SELECT dbperf.setting_statement(v_table, s.kind, s.name, '', false)
        FROM dbperf.table_settings(ARRAY[backfill_load_table.relation]) AS s
        JOIN pg_catalog.pg_class AS c ON c.oid = s.relation AND NOT c.relrowsecurity
        WHERE s.kind = 'privilege' AND s.name[1] = 'INSERT' OR s.kind = 'column privilege' AND s.name[2] = 'INSERT'
    LOOP
        EXECUTE v_statement;
    END LOOP;
    RETURN v_table;
END
$$;

COMMENT ON FUNCTION dbperf.backfill_load_table(regclass) IS
    'The table into which the rows of a backfill are written, made if it is missing: columns, defaults and owner as the table, INSERT for whoever has it there, and its partitions are what is being filled. Locks: none on others.';
