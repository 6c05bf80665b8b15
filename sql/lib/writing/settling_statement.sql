CREATE OR REPLACE FUNCTION dbperf.settling_statement(
    relation regclass, staging regclass, source text, ordering text, on_conflict text, index regclass, update_columns name[], newer name, on_deleted text
)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_columns text;
    v_is_identity boolean;
    v_is_hot CONSTANT boolean := dbperf.has_soft_delete(settling_statement.relation) AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = settling_statement.relation AND g.tgname = 'dbperf_meet_deleted_key');
    v_key text;
    v_met text;
    v_statement text;
BEGIN
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY s.attnum), pg_catalog.bool_or(a.attidentity <> '')
    INTO v_columns, v_is_identity
    FROM pg_catalog.pg_attribute AS s
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = settling_statement.relation AND a.attname = s.attname AND a.attnum > 0
    WHERE s.attrelid = settling_statement.staging AND s.attnum > 0 AND NOT s.attisdropped;
    v_met := CASE WHEN settling_statement.index IS NOT NULL THEN pg_catalog.format('EXISTS (SELECT FROM %s AS m WHERE m.deleted_at IS NOT NULL AND %s)', settling_statement.relation, dbperf.unique_match(settling_statement.index, 'm', 's')) END;
    v_statement := pg_catalog.format(
        'INSERT INTO %1$s AS t (%2$s)%3$s SELECT %2$s FROM (%4$s) AS s WHERE %5$s ORDER BY %6$s', settling_statement.relation, v_columns,
        CASE WHEN v_is_identity THEN ' OVERRIDING SYSTEM VALUE' ELSE '' END, settling_statement.source,
        CASE WHEN settling_statement.index IS NULL OR NOT dbperf.has_soft_delete(settling_statement.relation) THEN 'true'
             WHEN settling_statement.on_deleted = 'keep' THEN 'NOT ' || v_met
             WHEN settling_statement.on_deleted = 'error' AND v_is_hot
                 THEN pg_catalog.format('CASE WHEN %s THEN dbperf.refuse_deleted_key(%L::pg_catalog.regclass) ELSE true END', v_met, settling_statement.relation)
             ELSE 'true' END,
        settling_statement.ordering
    );
    IF settling_statement.index IS NULL THEN
        RETURN v_statement;
    END IF;

    SELECT pg_catalog.format('(%s)', (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ') FROM pg_catalog.unnest(dbperf.index_columns(i.indexrelid)) AS u (name)))
           || coalesce(' WHERE ' || pg_catalog.pg_get_expr(i.indpred, i.indrelid), '') INTO v_key
    FROM pg_catalog.pg_index AS i
    WHERE i.indexrelid = settling_statement.index;
    IF settling_statement.on_conflict = 'ignore' OR pg_catalog.cardinality(settling_statement.update_columns) = 0 THEN
        RETURN pg_catalog.format('%s ON CONFLICT %s DO NOTHING', v_statement, v_key);
    END IF;

    -- One pass in the order of the key, so that writers wait for each other in that order only. What it updates, the
    -- sequence counts: RETURNING xmax does not work on partitioned tables, and nothing else tells an UPDATE from an INSERT.
    RETURN pg_catalog.format(
        '%s ON CONFLICT %s DO UPDATE SET %s WHERE CASE WHEN %s THEN %s WHEN %s THEN pg_catalog.nextval(%L::pg_catalog.regclass) > 0 ELSE false END',
        v_statement, v_key,
        (SELECT pg_catalog.string_agg(pg_catalog.format('%1$I = excluded.%1$I', u.name), ', ' ORDER BY u.place)
         FROM pg_catalog.unnest(settling_statement.update_columns) WITH ORDINALITY AS u (name, place)),
        CASE WHEN v_is_hot THEN 't.deleted_at IS NOT NULL' ELSE 'false' END,
        CASE settling_statement.on_deleted WHEN 'keep' THEN 'false' ELSE pg_catalog.format('dbperf.refuse_deleted_key(%L::pg_catalog.regclass)', settling_statement.relation) END,
        CASE WHEN settling_statement.newer IS NULL THEN 'true' ELSE pg_catalog.format('(t.%1$I IS NULL AND excluded.%1$I IS NOT NULL OR excluded.%1$I > t.%1$I)', settling_statement.newer) END,
        pg_catalog.pg_get_serial_sequence(settling_statement.staging::text, 'dbperf_row')
    );
END
$$;

COMMENT ON FUNCTION dbperf.settling_statement(regclass, regclass, text, text, text, regclass, name[], name, text) IS
    'The INSERT of staged rows (the source, a query, in the ordering) into the table; it calls nextval() of the staging table''s sequence for each row that it updates. Locks: none.';
