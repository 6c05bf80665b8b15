CREATE OR REPLACE FUNCTION dbperf.ensure_partitioned_index(relation regclass, index_name name, definition text)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_definition CONSTANT text := dbperf.probe_index_definition(ensure_partitioned_index.relation, ensure_partitioned_index.definition);
    v_create CONSTANT text := CASE WHEN v_definition LIKE 'UNIQUE %' THEN 'CREATE UNIQUE INDEX' ELSE 'CREATE INDEX' END;
    v_body CONSTANT text := pg_catalog.regexp_replace(v_definition, '^UNIQUE ', '');
    v_root record;
    v_table record;
    v_names jsonb := '{}'; -- by partitioned table: its index, there or planned
    v_name text;
    v_left_over regclass;
    v_is_done boolean := true;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = ensure_partitioned_index.relation AND c.relkind = 'p') THEN
        RAISE EXCEPTION '% is not partitioned', ensure_partitioned_index.relation
            USING ERRCODE = 'wrong_object_type', HINT = 'CREATE INDEX CONCURRENTLY does it for an ordinary table.';
    END IF;
    -- the one that is equal, whatever its name; of several, the valid one, then the one that was named
    SELECT i.indexrelid::regclass AS index, i.indisvalid AS is_valid INTO v_root
    FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = ensure_partitioned_index.relation AND dbperf.index_definition(i.indexrelid) = v_definition
      AND (i.indisvalid OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid))
    ORDER BY i.indisvalid DESC, c.relname = ensure_partitioned_index.index_name DESC, c.oid LIMIT 1;
    IF v_root.is_valid THEN
        RETURN;
    ELSIF v_root.index IS NULL THEN
        IF EXISTS (
            SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_class AS r ON r.oid = ensure_partitioned_index.relation AND r.relnamespace = c.relnamespace
            WHERE c.relname = ensure_partitioned_index.index_name
        ) THEN
            RAISE EXCEPTION 'the name % is taken by something else than this index', pg_catalog.quote_ident(ensure_partitioned_index.index_name)
                USING ERRCODE = 'duplicate_table', HINT = 'Choose another name.';
        END IF;
        v_is_done := false;
        statement := pg_catalog.format('%s %I ON ONLY %s %s', v_create, ensure_partitioned_index.index_name, ensure_partitioned_index.relation, v_body);
        RETURN NEXT;
    END IF;

    FOR v_table IN
        SELECT t.*, c.relname, c.relnamespace, n.nspname, c.relkind, p.nspname AS parent_schema
        FROM dbperf.index_tree(ensure_partitioned_index.relation, v_root.index, v_definition) AS t
        JOIN pg_catalog.pg_class AS c ON c.oid = t.tree_table
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_class AS r ON r.oid = t.parent
        LEFT JOIN pg_catalog.pg_namespace AS p ON p.oid = r.relnamespace
    LOOP
        IF v_table.parent IS NULL THEN
            v_name := coalesce(v_root.index::text, pg_catalog.format('%I.%I', v_table.nspname, ensure_partitioned_index.index_name));
        ELSIF v_table.relkind = 'f' THEN
            RAISE EXCEPTION '% is a foreign table, which has no index to attach', v_table.tree_table USING ERRCODE = 'feature_not_supported', HINT = 'Detach it first.';
        ELSE
            FOREACH v_left_over IN ARRAY v_table.left_overs LOOP -- what an interrupted build left: IF NOT EXISTS would take it for good
                statement := pg_catalog.format('DROP INDEX CONCURRENTLY %s', v_left_over);
                RETURN NEXT;
            END LOOP;
            v_name := v_table.index::text;
            IF v_name IS NULL THEN
                FOR v_number IN 0..1000 LOOP
                    v_name := v_table.relname || '_' || ensure_partitioned_index.index_name || coalesce('_' || nullif(v_number, 0), '');
                    IF pg_catalog.octet_length(v_name) > 63 THEN -- cut, it would be the next partition's too: its number makes it this one's
                        v_name := dbperf.cut_name(v_name, 47) || '_' || v_table.tree_table::oid || coalesce('_' || nullif(v_number, 0), '');
                    END IF;
                    EXIT WHEN NOT EXISTS (
                        SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = v_table.relnamespace AND c.relname = v_name::name AND c.oid <> ALL (v_table.left_overs)
                    );
                END LOOP;
                statement := pg_catalog.format('%s%s %I ON %s%s %s', v_create, CASE WHEN NOT v_table.is_partitioned THEN ' CONCURRENTLY' END, v_name,
                    CASE WHEN v_table.is_partitioned THEN 'ONLY ' END, v_table.tree_table, v_body);
                RETURN NEXT;
                v_name := pg_catalog.format('%I.%I', v_table.nspname, v_name);
            ELSIF v_table.is_attached AND NOT v_table.is_partitioned AND NOT (SELECT i.indisvalid FROM pg_catalog.pg_index AS i WHERE i.indexrelid = v_table.index) THEN
                v_is_done := false;
                statement := pg_catalog.format('REINDEX INDEX CONCURRENTLY %s', v_name);
                RETURN NEXT;
            END IF;
            IF NOT v_table.is_attached THEN
                v_is_done := false;
                statement := pg_catalog.format('ALTER INDEX %s ATTACH PARTITION %s', v_names ->> v_table.parent::oid::text, v_name);
                RETURN NEXT;
            END IF;
        END IF;
        IF v_table.is_partitioned THEN
            v_names := v_names || pg_catalog.jsonb_build_object(v_table.tree_table::oid::text, v_name);
        END IF;
    END LOOP;

    IF v_is_done THEN -- all are there and valid, and what is above them is not: to attach one again makes the server look
        RETURN QUERY
            SELECT DISTINCT ON (t.parent) pg_catalog.format('ALTER INDEX %s ATTACH PARTITION %s', v_names ->> t.parent::oid::text, t.index)
            FROM dbperf.index_tree(ensure_partitioned_index.relation, v_root.index, v_definition) AS t
            JOIN pg_catalog.pg_index AS i ON i.indexrelid = t.index AND i.indisvalid
            JOIN pg_catalog.pg_index AS p ON p.indrelid = t.parent AND p.indexrelid = (v_names ->> t.parent::oid::text)::regclass AND NOT p.indisvalid
            ORDER BY t.parent, t.index;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.ensure_partitioned_index(regclass, name, text) IS
    'Statements still to run until the partitioned table has a valid index on its whole tree; none if it has an equal one, whatever its name. The definition is what follows ON table in CREATE INDEX, with UNIQUE before it if it is: btree (instrument_id, at). Equal indexes that partitions have are attached; what an interrupted run left is removed first. Locks: ACCESS SHARE on the table; the statements: SHARE on a partitioned table for a moment, SHARE UPDATE EXCLUSIVE on a partition while its index is built, ACCESS EXCLUSIVE on that index for a moment.';
