CREATE OR REPLACE FUNCTION dbperf.ensure_index(relation regclass, index_name name, VARIADIC columns name[])
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE
SET search_path = ''
AS $$
DECLARE
    v_left_over regclass;
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = ensure_index.relation
          AND i.indisvalid
          AND dbperf.plain_index_columns(i.indexrelid) = ensure_index.columns
    ) THEN
        RETURN;
    END IF;


    INSERT INTO dbperf.index_change (relation, index_name, change, columns, definition)
    VALUES (
        ensure_index.relation, ensure_index.index_name, 'created', ensure_index.columns,
        pg_catalog.format('(%s)', pg_catalog.array_to_string(ensure_index.columns, ', '))
    )
    ON CONFLICT DO NOTHING;

    -- an invalid index of this name and key is what a killed CREATE INDEX CONCURRENTLY left
    SELECT i.indexrelid INTO v_left_over
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = ensure_index.relation
      AND NOT i.indisvalid
      AND c.relname = ensure_index.index_name
      AND dbperf.plain_index_columns(i.indexrelid) = ensure_index.columns;
    IF FOUND THEN
        statement := pg_catalog.format('DROP INDEX CONCURRENTLY %s', v_left_over);
        RETURN NEXT;
    END IF;

    statement := pg_catalog.format(
        'CREATE INDEX CONCURRENTLY %I ON %s (%s)',
        ensure_index.index_name,
        ensure_index.relation,
        (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ' ORDER BY u.position)
         FROM pg_catalog.unnest(ensure_index.columns) WITH ORDINALITY AS u (name, position))
    );
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION dbperf.ensure_index(regclass, name, name[]) IS
    'Statements still to run until the table has a valid plain index on exactly these columns; none if it has one, whatever its name. A left-over of an interrupted run is removed first. Locks: none; the statements say theirs.';
