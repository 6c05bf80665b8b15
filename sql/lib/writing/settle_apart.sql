CREATE OR REPLACE FUNCTION dbperf.settle_apart(
    relation regclass, source text, ordering text, whole text, part text, counter regclass, max_errors bigint, batch_id text,
    OUT stored bigint, OUT updated bigint, OUT quarantined bigint
)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    -- ranges of places still to be tried, the first one last; NULL is the whole
    v_lowest bigint[] := ARRAY[NULL]::bigint[];
    v_highest bigint[] := ARRAY[NULL]::bigint[];
    v_low bigint;
    v_high bigint;
    v_turn bigint := 1; -- more only where the range is one place
    v_places bigint;
    v_done record;
    v_state text; -- of the error; NULL if there was none
    v_message text;
    v_detail text;
    v_column text;
    v_constraint text;
BEGIN
    stored := 0;
    updated := 0;
    quarantined := 0;
    IF pg_catalog.to_regclass('pg_temp.dbperf_settling') IS NOT NULL THEN
        RAISE EXCEPTION 'this session has a temporary table dbperf_settling, a name that bad rows need'
            USING ERRCODE = 'duplicate_table', HINT = 'DROP TABLE pg_temp.dbperf_settling;';
    END IF;
    WHILE pg_catalog.cardinality(v_lowest) > 0 LOOP
        v_low := v_lowest[pg_catalog.cardinality(v_lowest)];
        v_high := v_highest[pg_catalog.cardinality(v_highest)];
        v_state := NULL;
        BEGIN
            SELECT * INTO v_done
            FROM dbperf.settle_range(CASE WHEN v_low IS NULL THEN settle_apart.whole ELSE settle_apart.part END, settle_apart.counter, v_low, v_high, v_turn);
        EXCEPTION
            WHEN data_exception OR integrity_constraint_violation OR with_check_option_violation OR program_limit_exceeded OR raise_exception OR cardinality_violation OR SQLSTATE 'DP005' THEN -- 21000: a trigger has made one key of two rows, which halves tell apart
                GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL, v_column = COLUMN_NAME, v_constraint = CONSTRAINT_NAME;
        END;
        IF v_state IS NOT NULL AND v_low = v_high THEN
            IF quarantined >= settle_apart.max_errors THEN
                RAISE EXCEPTION 'the batch has more bad rows than max_errors allows'
                    USING ERRCODE = 'DP006', DETAIL = pg_catalog.concat_ws('; ', v_message, nullif(v_detail, '')),
                          HINT = 'Nothing of it was stored. Mend the rows, or raise max_errors.';
            END IF;
            INSERT INTO dbperf.quarantine (target, batch_id, row_number, sqlstate, reason, column_name, constraint_name, row_data)
            SELECT dbperf.target_name(settle_apart.relation), settle_apart.batch_id, s.dbperf_row, v_state, pg_catalog.concat_ws('; ', v_message, nullif(v_detail, '')),
                   nullif(v_column, ''), nullif(v_constraint, ''), pg_catalog.to_jsonb(s.*) - ARRAY['dbperf_row', 'dbperf_place', 'dbperf_turn']
            FROM pg_temp.dbperf_settling AS s WHERE s.dbperf_place = v_low AND s.dbperf_turn = v_turn;
            quarantined := quarantined + 1;
            v_turn := v_turn + 1; -- at once, or its key would be locked out of order
            CONTINUE WHEN EXISTS (SELECT FROM pg_temp.dbperf_settling AS s WHERE s.dbperf_place = v_low AND s.dbperf_turn = v_turn);
        END IF;

        v_turn := 1;
        v_lowest := pg_catalog.trim_array(v_lowest, 1);
        v_highest := pg_catalog.trim_array(v_highest, 1);
        IF v_state IS NULL THEN
            stored := stored + v_done.stored;
            updated := updated + v_done.updated;
        ELSIF v_low IS NULL THEN
            EXECUTE pg_catalog.format(
                'CREATE TEMPORARY TABLE dbperf_settling ON COMMIT DROP AS SELECT pg_catalog.dense_rank() OVER (ORDER BY %s) AS dbperf_place, s.* FROM (%s) AS s',
                settle_apart.ordering, settle_apart.source
            );
            CREATE UNIQUE INDEX ON pg_temp.dbperf_settling (dbperf_place, dbperf_turn);
            ANALYZE pg_temp.dbperf_settling;
            SELECT coalesce(pg_catalog.max(s.dbperf_place), 0) INTO v_places FROM pg_temp.dbperf_settling AS s;
            v_lowest := ARRAY[v_places / 2 + 1, 1];
            v_highest := ARRAY[v_places, v_places / 2];
        ELSIF v_low < v_high THEN
            v_lowest := v_lowest || ARRAY[(v_low + v_high) / 2 + 1, v_low];
            v_highest := v_highest || ARRAY[v_high, (v_low + v_high) / 2];
        END IF;
    END LOOP;
    IF v_places IS NOT NULL THEN
        DROP TABLE pg_temp.dbperf_settling;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.settle_apart(regclass, text, text, text, text, regclass, bigint, text) IS
    'Runs the whole, a statement of dbperf.settling_statement(). If it fails, it runs the part: on halves of the rows of the source, and halves of these, in the ordering, until what fails is one row. That goes to dbperf.quarantine, and the next row of its key is tried. Raises DP006 if they are too many. Locks: as dbperf.settle_range(), and ROW EXCLUSIVE on the quarantine.';
