CREATE OR REPLACE FUNCTION dbperf.rebuild_start(relation regclass, target regclass, mapping jsonb DEFAULT NULL, accept text[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_failure CONSTANT text := pg_catalog.format('the rebuild of %s could not begin', rebuild_start.relation);
    v_found boolean;
    v_id integer;
    v_source_columns name[];
    v_target_columns name[];
    v_source_key name[];
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a rebuild starts at READ COMMITTED only' USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed''.';
    ELSIF rebuild_start.relation IS NULL OR rebuild_start.target IS NULL THEN
        RAISE EXCEPTION 'no table to rebuild' USING ERRCODE = 'null_value_not_allowed', HINT = 'Name the table, and the empty one that it is to become.';
    ELSIF pg_catalog.jsonb_typeof(rebuild_start.mapping) <> 'object' THEN
        RAISE EXCEPTION 'a mapping has to be a JSON object' USING ERRCODE = 'invalid_parameter_value', HINT = 'Such as {"column of the target": "column of the table"}.';
    END IF;
    PERFORM dbperf.rebuild_lock(ARRAY[rebuild_start.target], 'SHARE ROW EXCLUSIVE', v_failure);
    PERFORM dbperf.rebuild_refuse(rebuild_start.relation, rebuild_start.target, rebuild_start.mapping, rebuild_start.accept);
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s)', rebuild_start.target) INTO v_found;
    IF v_found THEN
        RAISE EXCEPTION '% holds rows', rebuild_start.target USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A rebuild begins with an empty target. Nothing was changed.';
    END IF;

    SELECT pg_catalog.array_agg(p.source_column), pg_catalog.array_agg(p.target_column) INTO v_source_columns, v_target_columns
    FROM dbperf.rebuild_pairs(rebuild_start.relation, rebuild_start.target, rebuild_start.mapping) AS p;
    SELECT pg_catalog.array_agg(a.attname ORDER BY pg_catalog.array_position(i.indkey::smallint[], a.attnum)) INTO v_source_key
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
    WHERE i.indrelid = rebuild_start.relation AND i.indisprimary;
    INSERT INTO dbperf.rebuild (source, target, target_name, source_columns, target_columns, source_key, target_key, source_references, target_references, structure, accepted, estimated_rows)
    SELECT rebuild_start.relation, rebuild_start.target, c.relname, v_source_columns, v_target_columns, v_source_key,
           ARRAY(SELECT v_target_columns[pg_catalog.array_position(v_source_columns, k.name)] FROM pg_catalog.unnest(v_source_key) WITH ORDINALITY AS k (name, place) ORDER BY k.place),
           dbperf.rebuild_references(rebuild_start.relation, '[]'), dbperf.rebuild_target_references(rebuild_start.target), dbperf.rebuild_structure(rebuild_start.relation, rebuild_start.target), coalesce(rebuild_start.accept, '{}'),
           (SELECT greatest(pg_catalog.sum(x.reltuples), 0) FROM pg_catalog.pg_class AS x WHERE x.relkind = 'r' AND x.oid IN (SELECT dbperf.table_tree(rebuild_start.relation)))
    FROM pg_catalog.pg_class AS c WHERE c.oid = rebuild_start.target
    RETURNING id INTO v_id;
    EXECUTE pg_catalog.format('CREATE TABLE dbperf.rebuild_log_%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stuck boolean DEFAULT false NOT NULL, %s)', v_id, (
        SELECT pg_catalog.string_agg(pg_catalog.format('k%s %s%s', u.place, pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN l.oid IS NOT NULL THEN pg_catalog.format(' COLLATE %I.%I', n.nspname, l.collname) END), ', ' ORDER BY u.place)
        FROM pg_catalog.unnest(v_source_key) WITH ORDINALITY AS u (name, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = rebuild_start.relation AND a.attname = u.name
        LEFT JOIN (pg_catalog.pg_collation AS l JOIN pg_catalog.pg_namespace AS n ON n.oid = l.collnamespace) ON l.oid = a.attcollation
    ));
    EXECUTE pg_catalog.format('COMMENT ON TABLE dbperf.rebuild_log_%s IS %L', v_id, pg_catalog.format('Change log of the rebuild of %s: keys of rows that were touched and are still to be copied.', rebuild_start.relation));
    EXECUTE pg_catalog.format('GRANT INSERT ON dbperf.rebuild_log_%s TO %I', v_id, (
        SELECT pg_catalog.pg_get_userbyid(p.proowner) FROM pg_catalog.pg_proc AS p WHERE p.oid = 'dbperf.rebuild_log_changes()'::regprocedure
    ));
    EXECUTE pg_catalog.format('COMMENT ON SEQUENCE dbperf.rebuild_log_%1$s_id_seq IS ''Numbers the rows of dbperf.rebuild_log_%1$s.''', v_id);
    EXECUTE pg_catalog.format('COMMENT ON COLUMN dbperf.rebuild_log_%s.id IS ''In the order in which they were written, which is not that of the commits.''', v_id);
    EXECUTE pg_catalog.format('COMMENT ON COLUMN dbperf.rebuild_log_%s.stuck IS ''True if a unique key of the other table keeps the row out.''', v_id);
    FOR v_place IN 1..pg_catalog.cardinality(v_source_key) LOOP
        EXECUTE pg_catalog.format('COMMENT ON COLUMN dbperf.rebuild_log_%s.k%s IS %L', v_id, v_place, pg_catalog.format('Key: %I.', v_source_key[v_place]));
    END LOOP;
    PERFORM dbperf.rebuild_rehearse_equip(rebuild_start.relation);
    -- last: writers wait until the transaction ends, which is now. Of the target and what it references nothing is locked:
    -- whoever had written those and waited for this table would be waited for
    PERFORM dbperf.rebuild_lock(ARRAY[rebuild_start.relation], 'SHARE ROW EXCLUSIVE', v_failure);
    RAISE NOTICE '% has %: its copy needs about as much again', rebuild_start.relation, (
        SELECT pg_catalog.pg_size_pretty(pg_catalog.sum(pg_catalog.pg_total_relation_size(t.relation))) FROM dbperf.table_tree(rebuild_start.relation) AS t (relation)
    );
    PERFORM dbperf.rebuild_guards(rebuild_start.relation, ARRAY(SELECT dbperf.table_tree(rebuild_start.relation)));
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_start(regclass, regclass, jsonb, text[]) IS
    'Begins to rebuild a table as another, empty one, which the author made by hand: checks everything, and from now on logs the keys of changed rows; dbperf.rebuild_run() does the rest. mapping: {"column of the target": "column of the table"} where names differ, null for one that is not copied. accept: kinds of dbperf.rebuild_obstacles(). Raises 55000 with every reason. For a transaction of its own. Locks: SHARE ROW EXCLUSIVE on the target; at its end the same on the table, for milliseconds, waited for three times 50 ms, 2 s apart, and not while an older transaction is in the way (55P03).';
