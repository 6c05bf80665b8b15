CREATE OR REPLACE FUNCTION dbperf.ensure_index(relation regclass, index_name name, VARIADIC columns name[])
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_schema oid := (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE c.oid = ensure_index.relation);
    v_name name;
    v_occupant oid;
    v_is_left_over boolean;
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = ensure_index.relation
          AND i.indisvalid
          AND dbperf.plain_index_columns(i.indexrelid) = ensure_index.columns
    ) THEN
        RETURN;
    END IF;

    SELECT x.index_name, c.oid, i.indrelid = ensure_index.relation AND NOT i.indisvalid
           AND dbperf.plain_index_columns(i.indexrelid) = ensure_index.columns
    INTO v_name, v_occupant, v_is_left_over
    FROM dbperf.index_change AS x
    LEFT JOIN pg_catalog.pg_class AS c ON c.relname = x.index_name AND c.relnamespace = v_schema
    LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
    WHERE x.relation = ensure_index.relation AND x.change = 'created' AND x.columns = ensure_index.columns;

    IF v_occupant IS NOT NULL AND v_is_left_over IS TRUE THEN
        -- recorded before it was begun, and invalid: what a killed CREATE INDEX CONCURRENTLY of ours left
        statement := pg_catalog.format('DROP INDEX CONCURRENTLY %s', v_occupant::regclass);
        RETURN NEXT;
    ELSIF v_name IS NULL OR v_occupant IS NOT NULL THEN
        -- not recorded yet, or somebody took the name since: a free one, never somebody else's
        DELETE FROM dbperf.index_change AS x
        WHERE x.relation = ensure_index.relation AND x.change = 'created' AND x.columns = ensure_index.columns;

        SELECT candidate.name INTO STRICT v_name
        FROM pg_catalog.generate_series(0, 1000) AS number
        CROSS JOIN LATERAL (SELECT (ensure_index.index_name || coalesce('_' || nullif(number, 0), ''))::name AS name) AS candidate
        WHERE NOT EXISTS (
                  SELECT FROM pg_catalog.pg_class AS c
                  WHERE c.relname = candidate.name AND c.relnamespace = v_schema
              )
          AND NOT EXISTS (
                  SELECT FROM dbperf.index_change AS x
                  WHERE x.relation = ensure_index.relation AND x.index_name = candidate.name
              )
        ORDER BY number
        LIMIT 1;

        INSERT INTO dbperf.index_change (relation, index_name, change, columns)
        VALUES (ensure_index.relation, v_name, 'created', ensure_index.columns);
    END IF;

    statement := pg_catalog.format(
        'CREATE INDEX CONCURRENTLY %I ON %s (%s)',
        v_name,
        ensure_index.relation,
        (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ' ORDER BY u.position)
         FROM pg_catalog.unnest(ensure_index.columns) WITH ORDINALITY AS u (name, position))
    );
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION dbperf.ensure_index(regclass, name, name[]) IS
    'Statements still to run until the table has a valid plain index on exactly these columns; none if it has one, whatever its name. The name given is taken if it is free, else with a number behind it. A left-over of an interrupted run is removed first. Locks: none; the statements say theirs.';
