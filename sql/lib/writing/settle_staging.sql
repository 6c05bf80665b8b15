CREATE OR REPLACE FUNCTION dbperf.settle_staging(
    relation regclass, staging regclass, on_conflict text DEFAULT 'error', key name[] DEFAULT NULL, update_columns name[] DEFAULT NULL, newer name DEFAULT NULL,
    on_deleted text DEFAULT 'error', max_errors bigint DEFAULT NULL, batch_id text DEFAULT NULL,
    OUT inserted bigint, OUT updated bigint, OUT ignored bigint, OUT quarantined bigint
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_index CONSTANT regclass := CASE WHEN settle_staging.on_conflict <> 'error' THEN dbperf.conflict_index(settle_staging.relation, settle_staging.key) END;
    v_sequence CONSTANT regclass := pg_catalog.pg_get_serial_sequence(settle_staging.staging::text, 'dbperf_row');
    v_columns name[]; -- to be updated
    v_source text;
    v_ordering text;
    v_deferrable text;
    v_deferred text; -- of these, the ones that are unless somebody says otherwise
    v_rows bigint;
    v_affected bigint;
    v_before bigint;
    v_updated bigint;
    v_is_bad boolean; -- a row is; and, of a key that a bad row had, that others are left
    v_bad bigint[];
BEGIN
    SELECT pg_catalog.array_agg(s.attname ORDER BY s.attnum) INTO v_columns
    FROM pg_catalog.pg_attribute AS s
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = settle_staging.relation AND a.attname = s.attname AND a.attnum > 0
    WHERE s.attrelid = settle_staging.staging AND s.attnum > 0 AND NOT s.attisdropped AND a.attidentity <> 'a'
      AND a.attname <> ALL (dbperf.index_columns(v_index));
    v_columns := coalesce(settle_staging.update_columns, v_columns, '{}');
    IF settle_staging.newer <> ALL (v_columns || dbperf.index_columns(v_index)) THEN -- or a stale row would be newer than what it says
        v_columns := v_columns || settle_staging.newer;
    END IF;
    v_source := dbperf.settling_rows(settle_staging.relation, settle_staging.staging, settle_staging.on_conflict, v_index, settle_staging.newer);
    v_ordering := (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ' ORDER BY u.place)
                   FROM pg_catalog.unnest(coalesce(nullif(dbperf.index_columns(v_index), '{}'), '{dbperf_row}')) WITH ORDINALITY AS u (name, place));
    IF dbperf.has_soft_delete(settle_staging.relation) THEN -- else nothing is joined, and it takes a quarter of the time of a plain COPY
        EXECUTE pg_catalog.format('ANALYZE %s', settle_staging.staging);
    END IF;
    EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM %s', settle_staging.staging) INTO v_rows;
    IF settle_staging.on_deleted = 'revive' AND dbperf.has_soft_delete(settle_staging.relation) THEN
        PERFORM dbperf.revive_met(settle_staging.relation, v_index, v_source);
    END IF;

    IF settle_staging.max_errors IS NOT NULL AND pg_catalog.to_regclass('pg_temp.dbperf_settling') IS NOT NULL THEN
        RAISE EXCEPTION 'this session has a temporary table dbperf_settling, a name that bad rows need'
            USING ERRCODE = 'duplicate_table', HINT = 'DROP TABLE pg_temp.dbperf_settling;';
    END IF;

    quarantined := 0;
    SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, k.conname), ', '),
           pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, k.conname), ', ') FILTER (WHERE k.condeferred)
    INTO v_deferrable, v_deferred
    FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_namespace AS n ON n.oid = k.connamespace
    WHERE settle_staging.max_errors IS NOT NULL AND k.conrelid = settle_staging.relation AND k.condeferrable;
    IF v_deferrable IS NOT NULL THEN -- who is bad must show now, not at COMMIT
        EXECUTE pg_catalog.format('SET CONSTRAINTS %s IMMEDIATE', v_deferrable);
    END IF;
    inserted := 0;
    updated := 0;
    LOOP
        v_is_bad := false;
        BEGIN
            v_before := pg_catalog.nextval(v_sequence);
            EXECUTE dbperf.settling_statement(settle_staging.relation, settle_staging.staging, v_source, v_ordering, settle_staging.on_conflict, v_index, v_columns, settle_staging.newer, settle_staging.on_deleted);
            GET DIAGNOSTICS v_affected = ROW_COUNT;
            v_updated := pg_catalog.nextval(v_sequence) - v_before - 1;
        EXCEPTION
            WHEN data_exception OR integrity_constraint_violation OR with_check_option_violation OR program_limit_exceeded OR raise_exception OR SQLSTATE 'DP005' THEN
                IF settle_staging.max_errors IS NULL THEN
                    RAISE;
                END IF;
                v_is_bad := true;
        END;
        IF v_is_bad THEN
            EXECUTE pg_catalog.format(
                'CREATE TEMPORARY TABLE dbperf_settling ON COMMIT DROP AS SELECT pg_catalog.row_number() OVER (ORDER BY %s) AS dbperf_place, s.* FROM (%s) AS s',
                v_ordering, v_source
            );
            CREATE UNIQUE INDEX ON pg_temp.dbperf_settling (dbperf_place);
            ANALYZE pg_temp.dbperf_settling;
            SELECT a.affected, a.updated, a.bad INTO v_affected, v_updated, v_bad
            FROM dbperf.settle_apart(
                dbperf.settling_statement(
                    settle_staging.relation, settle_staging.staging, 'SELECT * FROM pg_temp.dbperf_settling WHERE dbperf_place BETWEEN $1 AND $2', 'dbperf_place',
                    settle_staging.on_conflict, v_index, v_columns, settle_staging.newer, settle_staging.on_deleted
                ),
                settle_staging.staging, settle_staging.relation, (SELECT pg_catalog.count(*) FROM pg_temp.dbperf_settling),
                settle_staging.max_errors - quarantined, settle_staging.batch_id
            ) AS a;
            quarantined := quarantined + pg_catalog.cardinality(v_bad);
            IF v_index IS NOT NULL THEN -- what a bad row stood before is next
                EXECUTE pg_catalog.format(
                    'DELETE FROM %s AS s WHERE NOT EXISTS (SELECT FROM pg_temp.dbperf_settling AS b WHERE b.dbperf_place = ANY ($1) AND b.dbperf_row <> s.dbperf_row AND %s)'
                    ' OR s.dbperf_row IN (SELECT b.dbperf_row FROM pg_temp.dbperf_settling AS b WHERE b.dbperf_place = ANY ($1))',
                    settle_staging.staging, dbperf.unique_match(v_index, 'b', 's')
                ) USING v_bad;
            END IF;
            DROP TABLE pg_temp.dbperf_settling;
        END IF;
        v_updated := least(v_updated, v_affected); -- a trigger may have left out an UPDATE
        inserted := inserted + v_affected - v_updated;
        updated := updated + v_updated;
        EXIT WHEN NOT v_is_bad OR v_index IS NULL;
        EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s)', settle_staging.staging) INTO v_is_bad;
        EXIT WHEN NOT v_is_bad;
    END LOOP;
    IF v_deferred IS NOT NULL THEN
        EXECUTE pg_catalog.format('SET CONSTRAINTS %s DEFERRED', v_deferred);
    END IF;
    ignored := v_rows - inserted - updated - quarantined;
END
$$;

COMMENT ON FUNCTION dbperf.settle_staging(regclass, regclass, text, name[], name[], name, text, bigint, text) IS
    'Stores the rows of a staging table, in the order of the key: on_conflict error, ignore or update (of columns, if newer), on_deleted error, keep or revive; with max_errors, bad rows go to dbperf.quarantine. The counts add up to the staged rows. Locks: ROW EXCLUSIVE on the table, FOR UPDATE on the rows that it updates.';
