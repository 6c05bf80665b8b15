CREATE OR REPLACE FUNCTION dbperf.restore_indexes(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_change record;
    v_as_recorded boolean;
    v_with text;
BEGIN
    FOR v_change IN
        SELECT x.*,
               pg_catalog.format('%I.%I', n.nspname, x.index_name) AS full_name,
               c.oid IS NOT NULL AS name_is_taken,
               -- the same key on the same table: the index itself, or what an interrupted statement left of it
               coalesce(i.indrelid = x.relation AND dbperf.plain_index_columns(i.indexrelid) = x.columns, false) AS is_it,
               i.indisvalid AS is_valid,
               c.reloptions IS NOT DISTINCT FROM x.options AND t.spcname IS NOT DISTINCT FROM x.tablespace AS is_stored_alike,
               i.indisclustered AS is_clustered,
               pg_catalog.obj_description(c.oid, 'pg_class') IS NOT DISTINCT FROM x.comment AS is_described_alike
        FROM dbperf.index_change AS x
        JOIN pg_catalog.pg_class AS r ON r.oid = x.relation
        JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
        LEFT JOIN pg_catalog.pg_class AS c ON c.relname = x.index_name AND c.relnamespace = r.relnamespace
        LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
        LEFT JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
        WHERE x.relation = restore_indexes.relation
        ORDER BY x.change DESC, x.recorded_at, x.index_name -- retired ones are back before ours go
    LOOP
        v_as_recorded := v_change.is_it AND v_change.is_valid AND v_change.is_stored_alike;

        IF v_change.change = 'created' THEN
            IF v_change.is_it THEN
                statement := pg_catalog.format('DROP INDEX CONCURRENTLY %s', v_change.full_name);
                RETURN NEXT;
                CONTINUE;
            END IF;
        ELSIF NOT v_as_recorded THEN
            IF v_change.name_is_taken AND NOT (v_change.is_it AND NOT v_change.is_valid) THEN
                RAISE EXCEPTION 'the name % is taken by something else, and a retired index is to have it back', v_change.full_name
                    USING ERRCODE = 'duplicate_table', HINT = 'Rename that, then roll back again.';
            END IF;
            IF v_change.is_it THEN
                statement := pg_catalog.format('DROP INDEX CONCURRENTLY %s', v_change.full_name);
                RETURN NEXT;
            END IF;
            v_with := ' WITH (' || pg_catalog.array_to_string(v_change.options, ', ') || ')';
            statement := pg_catalog.format(
                'CREATE INDEX CONCURRENTLY %I ON %s (%s)%s%s',
                v_change.index_name,
                v_change.relation,
                (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ' ORDER BY u.position)
                 FROM pg_catalog.unnest(v_change.columns) WITH ORDINALITY AS u (name, position)),
                v_with,
                ' TABLESPACE ' || pg_catalog.quote_ident(v_change.tablespace)
            );
            RETURN NEXT;
            CONTINUE;
        ELSIF NOT v_change.is_described_alike THEN
            statement := pg_catalog.format('COMMENT ON INDEX %s IS %L', v_change.full_name, v_change.comment);
            RETURN NEXT;
            CONTINUE;
        ELSIF v_change.clustered AND NOT v_change.is_clustered THEN
            statement := pg_catalog.format('ALTER TABLE %s CLUSTER ON %I', v_change.relation, v_change.index_name);
            RETURN NEXT;
            CONTINUE;
        END IF;

        DELETE FROM dbperf.index_change AS x
        WHERE x.relation = v_change.relation AND x.index_name = v_change.index_name;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.restore_indexes(regclass) IS
    'Statements still to run until every index change of the table is undone: retired indexes are back with name, options, tablespace, comment and cluster mark, created ones are gone. Forgets each change once it is undone; touches no index of that name with another key. Locks: none; the statements say theirs.';
