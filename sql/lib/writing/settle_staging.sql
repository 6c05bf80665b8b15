CREATE OR REPLACE FUNCTION dbperf.settle_staging(
    relation regclass, staging regclass, on_conflict text DEFAULT 'error', key name[] DEFAULT NULL, update_columns name[] DEFAULT NULL, newer name DEFAULT NULL,
    on_deleted text DEFAULT 'error', max_errors bigint DEFAULT NULL, batch_id text DEFAULT NULL,
    OUT inserted bigint, OUT updated bigint, OUT ignored bigint, OUT quarantined bigint
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_index CONSTANT regclass := CASE WHEN settle_staging.on_conflict <> 'error' THEN dbperf.conflict_index(settle_staging.relation, settle_staging.key) END;
    v_order CONSTANT text := dbperf.settling_order(settle_staging.relation, settle_staging.staging, v_index);
    -- the staged rows; of each key, the one that counts has turn 1
    v_source CONSTANT text := pg_catalog.format(
        'SELECT *, pg_catalog.row_number() OVER (PARTITION BY %s ORDER BY %s dbperf_row %s) AS dbperf_turn FROM %s', v_order,
        pg_catalog.quote_ident(settle_staging.newer) || ' DESC NULLS LAST,', CASE settle_staging.on_conflict WHEN 'update' THEN 'DESC' ELSE 'ASC' END, settle_staging.staging
    );
    v_chosen CONSTANT text := pg_catalog.format('SELECT * FROM (%s) AS s WHERE s.dbperf_turn = 1', v_source);
    v_counter CONSTANT regclass := CASE WHEN settle_staging.on_conflict <> 'update' OR NOT dbperf.has_update_trigger(settle_staging.relation) THEN pg_catalog.pg_get_serial_sequence(settle_staging.staging::text, 'dbperf_row') END;
    v_conflict text;
    v_whole text;
    v_rows bigint;
    v_stored bigint;
BEGIN
    IF dbperf.has_soft_delete(settle_staging.relation) THEN -- else nothing is joined, and it takes a quarter of the time of a plain COPY
        EXECUTE pg_catalog.format('ANALYZE %s', settle_staging.staging);
    END IF;
    EXECUTE pg_catalog.format('SELECT pg_catalog.count(*) FROM %s', settle_staging.staging) INTO v_rows;
    IF settle_staging.on_deleted = 'revive' AND dbperf.has_soft_delete(settle_staging.relation) THEN
        PERFORM dbperf.revive_met(settle_staging.relation, v_index, v_chosen);
    END IF;

    v_conflict := dbperf.settling_conflict(
        settle_staging.relation, settle_staging.staging, settle_staging.on_conflict, v_index, settle_staging.update_columns, settle_staging.newer, settle_staging.on_deleted, v_counter
    );
    v_whole := dbperf.settling_statement(settle_staging.relation, settle_staging.staging, v_chosen, v_order, v_index, settle_staging.on_deleted, v_conflict, v_counter);
    IF settle_staging.max_errors IS NULL THEN
        quarantined := 0;
        SELECT r.stored, r.updated INTO v_stored, updated FROM dbperf.settle_range(v_whole, v_counter) AS r;
    ELSE
        PERFORM dbperf.defer_checks(settle_staging.relation, again => false);
        SELECT a.stored, a.updated, a.quarantined INTO v_stored, updated, quarantined
        FROM dbperf.settle_apart(
            settle_staging.relation, v_source, v_order, v_whole,
            dbperf.settling_statement(
                settle_staging.relation, settle_staging.staging, 'SELECT * FROM pg_temp.dbperf_settling WHERE dbperf_place BETWEEN $1 AND $2 AND dbperf_turn = $3', 'dbperf_place',
                v_index, settle_staging.on_deleted, v_conflict, v_counter
            ),
            v_counter, settle_staging.max_errors, settle_staging.batch_id
        ) AS a;
        PERFORM dbperf.defer_checks(settle_staging.relation, again => true);
    END IF;
    inserted := v_stored - updated;
    ignored := v_rows - v_stored - quarantined;
END
$$;

COMMENT ON FUNCTION dbperf.settle_staging(regclass, regclass, text, name[], name[], name, text, bigint, text) IS
    'Stores the rows of a staging table, in the order of the key: on_conflict error, ignore or update (of columns, if newer), on_deleted error, keep or revive; with max_errors, bad rows go to dbperf.quarantine. The counts add up to the staged rows. Locks: ROW EXCLUSIVE on the table, FOR UPDATE on the rows that it updates.';
