CREATE OR REPLACE FUNCTION dbperf.restore_indexes(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE
SET search_path = ''
AS $$
DECLARE
    v_schema name;
    v_change dbperf.index_change;
    v_index record;
    v_name text;
    v_done boolean;
BEGIN
    SELECT n.nspname INTO STRICT v_schema
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = restore_indexes.relation;

    FOR v_change IN
        SELECT x.* FROM dbperf.index_change AS x
        WHERE x.relation = restore_indexes.relation
        ORDER BY x.change DESC, x.recorded_at, x.index_name -- retired ones are back before ours go
    LOOP
        v_name := pg_catalog.format('%I.%I', v_schema, v_change.index_name);

        SELECT i.indisvalid, i.indisclustered,
               pg_catalog.obj_description(i.indexrelid, 'pg_class') IS NOT DISTINCT FROM v_change.comment AS same_comment
        INTO v_index
        FROM pg_catalog.pg_index AS i
        WHERE i.indexrelid = pg_catalog.to_regclass(v_name) AND i.indrelid = restore_indexes.relation;
        v_done := CASE v_change.change WHEN 'retired' THEN FOUND AND v_index.indisvalid ELSE NOT FOUND END;

        IF NOT v_done THEN
            IF FOUND THEN -- ours, or what a killed CREATE INDEX CONCURRENTLY left
                statement := pg_catalog.format('DROP INDEX CONCURRENTLY %s', v_name);
                RETURN NEXT;
            END IF;
            IF v_change.change = 'retired' THEN
                statement := pg_catalog.format(
                    'CREATE INDEX CONCURRENTLY %I ON %s (%s)%s%s',
                    v_change.index_name,
                    v_change.relation,
                    (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ' ORDER BY u.position)
                     FROM pg_catalog.unnest(v_change.columns) WITH ORDINALITY AS u (name, position)),
                    ' WITH (' || pg_catalog.array_to_string(v_change.options, ', ') || ')',
                    ' TABLESPACE ' || pg_catalog.quote_ident(v_change.tablespace)
                );
                RETURN NEXT;
            END IF;
        ELSIF v_change.change = 'retired' AND NOT v_index.same_comment THEN
            statement := pg_catalog.format('COMMENT ON INDEX %s IS %L', v_name, v_change.comment);
            RETURN NEXT;
        ELSIF v_change.change = 'retired' AND v_change.clustered AND NOT v_index.indisclustered THEN
            statement := pg_catalog.format('ALTER TABLE %s CLUSTER ON %I', v_change.relation, v_change.index_name);
            RETURN NEXT;
        ELSE
            DELETE FROM dbperf.index_change AS x
            WHERE x.relation = v_change.relation AND x.index_name = v_change.index_name;
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.restore_indexes(regclass) IS
    'Statements still to run until every index change of the table is undone: retired indexes are back with name, options, tablespace, comment and cluster mark, created ones are gone. Forgets each change once it is undone. Locks: none; the statements say theirs.';
