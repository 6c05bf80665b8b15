CREATE OR REPLACE FUNCTION dbperf.settling_statement(
    relation regclass, staging regclass, source text, ordering text, index regclass, on_deleted text, conflict text, counter regclass
)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_target CONSTANT text := dbperf.target_name(settling_statement.relation); -- it runs under another search_path
    v_columns text;
    v_is_identity boolean;
    v_met CONSTANT text := CASE WHEN settling_statement.index IS NOT NULL THEN pg_catalog.format('EXISTS (SELECT FROM %s AS m WHERE m.deleted_at IS NOT NULL AND %s)', v_target, dbperf.unique_match(settling_statement.index, 'm', 's')) END;
    v_statement text;
BEGIN
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY s.attnum), pg_catalog.bool_or(a.attidentity <> '')
    INTO v_columns, v_is_identity
    FROM pg_catalog.pg_attribute AS s
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = settling_statement.relation AND a.attname = s.attname AND a.attnum > 0
    WHERE s.attrelid = settling_statement.staging AND s.attnum > 0 AND NOT s.attisdropped;
    -- One pass in the order of the key, so that writers wait for each other in that order only.
    v_statement := pg_catalog.format(
        'INSERT INTO %1$s AS t (%2$s)%3$s SELECT %2$s FROM (%4$s) AS s WHERE %5$s ORDER BY %6$s %7$s', v_target, v_columns,
        CASE WHEN v_is_identity THEN ' OVERRIDING SYSTEM VALUE' ELSE '' END, settling_statement.source,
        CASE WHEN v_met IS NULL OR NOT dbperf.has_soft_delete(settling_statement.relation) THEN 'true'
             WHEN settling_statement.on_deleted = 'keep' THEN 'NOT ' || v_met
             WHEN settling_statement.on_deleted = 'error' AND dbperf.is_hot(settling_statement.relation)
                 THEN pg_catalog.format('CASE WHEN %s THEN dbperf.refuse_deleted_key(%L::pg_catalog.regclass) ELSE true END', v_met, v_target)
             ELSE 'true' END,
        settling_statement.ordering, settling_statement.conflict
    );
    IF settling_statement.counter IS NOT NULL THEN
        RETURN v_statement;
    END IF;
    RETURN pg_catalog.format(
        'WITH settled AS (%s RETURNING %s = pg_catalog.current_setting(''dbperf.met'', true) AS is_met) SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE s.is_met) FROM settled AS s',
        v_statement, dbperf.settling_key(dbperf.index_columns(settling_statement.index), '{}')
    );
END
$$;

COMMENT ON FUNCTION dbperf.settling_statement(regclass, regclass, text, text, regclass, text, text, regclass) IS
    'The INSERT of staged rows (the source, a query, in the ordering) into the table. The counter says how many of them it updates: RETURNING xmax does not work on partitioned tables. Without one, because a trigger can skip an UPDATE that was counted, it returns how many rows were stored and how many of them are the ones that it had met. Locks: none.';
