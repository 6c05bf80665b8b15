CREATE OR REPLACE FUNCTION dbperf.rebuild_missing_partitions(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET row_security = off
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    v_sides record;
    v_policy record;
    v_key record;
    v_column name;
    v_at timestamp without time zone;
    v_value text;
    v_times timestamp without time zone[] := '{}';
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_missing_partitions.relation) AS s;
    SELECT p.* INTO v_policy FROM dbperf.partition_policy AS p WHERE p.relation = v_sides.shadow;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT k.* INTO v_key FROM dbperf.partition_key(v_sides.shadow) AS k;
    v_column := v_sides.live_columns[pg_catalog.array_position(v_sides.shadow_columns, v_key.column_name)];
    LOOP -- from one interval that has rows to the one before: few steps, if there is an index on the column
        EXECUTE pg_catalog.format(
            'SELECT l.%1$I::%2$s::text FROM %3$s AS l WHERE %4$s ORDER BY l.%1$I DESC LIMIT 1', v_column, v_key.type, v_sides.live,
            CASE WHEN v_at IS NULL THEN pg_catalog.format('l.%I IS NOT NULL', v_column)
                 ELSE pg_catalog.format('l.%I < %L', v_column, dbperf.partition_value(v_key.encoding, v_at)) END
        ) INTO v_value;
        EXIT WHEN v_value IS NULL;
        v_at := dbperf.partition_time(v_key.encoding, v_value);
        IF v_at IN ('-infinity', 'infinity') THEN
            RAISE EXCEPTION 'a row of % has the time %: no partition holds it', v_sides.live, v_value
                USING ERRCODE = 'check_violation', HINT = 'Correct the row, or give the target a partition FROM (MINVALUE) or TO (MAXVALUE).';
        END IF;
        v_times := v_times || v_at;
        v_at := dbperf.partition_floor(v_policy.every, v_at);
    END LOOP;
    RETURN QUERY SELECT m.statement FROM dbperf.missing_partitions(v_sides.shadow, v_times) AS m;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_missing_partitions(regclass) IS
    'Statements that make the partitions which rows of the table need in the one that is kept in step, each for a transaction of its own; those far outside its policy too. The newest first; looks for the last row of each interval. Raises 23514 for an infinite time. Locks: ACCESS SHARE on the table.';
