CREATE OR REPLACE FUNCTION dbperf.settle_apart(
    statement text, staging regclass, relation regclass, rows bigint, max_errors bigint, batch_id text, OUT affected bigint, OUT updated bigint, OUT bad bigint[]
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_sequence CONSTANT regclass := pg_catalog.pg_get_serial_sequence(settle_apart.staging::text, 'dbperf_row');
    -- ranges still to be tried, the first one last; all of them together have failed
    v_lowest bigint[] := ARRAY[settle_apart.rows / 2 + 1, 1];
    v_highest bigint[] := ARRAY[settle_apart.rows, settle_apart.rows / 2];
    v_low bigint;
    v_high bigint;
    v_count bigint;
    v_state text; -- of the error; NULL if there was none
    v_message text;
    v_detail text;
    v_column text;
    v_constraint text;
    v_before bigint;
BEGIN
    affected := 0;
    updated := 0;
    bad := '{}';
    WHILE pg_catalog.cardinality(v_lowest) > 0 LOOP
        v_low := v_lowest[pg_catalog.cardinality(v_lowest)];
        v_high := v_highest[pg_catalog.cardinality(v_highest)];
        v_lowest := pg_catalog.trim_array(v_lowest, 1);
        v_highest := pg_catalog.trim_array(v_highest, 1);
        v_state := NULL;
        BEGIN
            v_before := pg_catalog.nextval(v_sequence);
            EXECUTE settle_apart.statement USING v_low, v_high;
            GET DIAGNOSTICS v_count = ROW_COUNT;
            affected := affected + v_count;
            updated := updated + pg_catalog.nextval(v_sequence) - v_before - 1;
        EXCEPTION
            WHEN data_exception OR integrity_constraint_violation OR with_check_option_violation OR program_limit_exceeded OR raise_exception OR SQLSTATE 'DP005' THEN
                GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL, v_column = COLUMN_NAME, v_constraint = CONSTRAINT_NAME;
        END;
        CONTINUE WHEN v_state IS NULL;

        IF v_low < v_high THEN
            v_lowest := v_lowest || ARRAY[(v_low + v_high) / 2 + 1, v_low];
            v_highest := v_highest || ARRAY[v_high, (v_low + v_high) / 2];
            CONTINUE;
        END IF;
        IF pg_catalog.cardinality(bad) >= settle_apart.max_errors THEN
            RAISE EXCEPTION 'the batch has more bad rows than max_errors allows'
                USING ERRCODE = 'DP006', DETAIL = pg_catalog.concat_ws('; ', v_message, nullif(v_detail, '')),
                      HINT = 'Nothing of it was stored. Mend the rows, or raise max_errors.';
        END IF;
        INSERT INTO dbperf.quarantine (target, batch_id, row_number, sqlstate, reason, column_name, constraint_name, row_data)
        SELECT dbperf.target_name(settle_apart.relation), settle_apart.batch_id, s.dbperf_row, v_state, pg_catalog.concat_ws('; ', v_message, nullif(v_detail, '')),
               nullif(v_column, ''), nullif(v_constraint, ''), pg_catalog.to_jsonb(s.*) - ARRAY['dbperf_row', 'dbperf_place']
        FROM pg_temp.dbperf_settling AS s WHERE s.dbperf_place = v_low;
        bad := bad || v_low;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.settle_apart(text, regclass, regclass, bigint, bigint, text) IS
    'Runs an INSERT that failed as a whole, of the rows of pg_temp.dbperf_settling (dbperf_place from $1 to $2) in halves, and halves of these, until what fails is one row: that goes to dbperf.quarantine, and its dbperf_place into bad. Raises DP006 if they are too many. Locks: ROW EXCLUSIVE on the table and the quarantine.';
