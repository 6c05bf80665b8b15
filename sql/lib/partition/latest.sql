CREATE OR REPLACE FUNCTION dbperf.latest(relation regclass, shape anyelement, filter jsonb DEFAULT '{}', rows integer DEFAULT 1, time_column name DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE ROWS 10 -- one snapshot for all pieces
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_plan record;
    v_left integer := latest.rows;
    v_found integer;
    v_lower text;
    v_upper text;
BEGIN
    IF v_left IS NULL OR v_left < 0 THEN
        RAISE EXCEPTION 'rows has to be a number of rows, not %', coalesce(v_left::text, 'NULL') USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave it out for one.';
    END IF;
    SELECT p.* INTO v_plan FROM dbperf.reading_plan(latest.relation, pg_catalog.pg_typeof(latest.shape), latest.time_column, latest.filter) AS p;
    -- The pieces are all there is, so every row is found, whatever partitions there are. The bounds are literals in the query
    -- so that it is planned for, and locks, only the partitions of its piece.
    FOREACH v_lower IN ARRAY coalesce(dbperf.partition_steps(v_plan.source), '{}') || NULL::text LOOP
        RETURN QUERY EXECUTE pg_catalog.format(
            'SELECT %s FROM %s AS r WHERE %s%s ORDER BY r.%I DESC LIMIT %s',
            v_plan.columns, latest.relation, dbperf.between_bounds(v_plan.time_column, v_plan.type, v_lower, v_upper), v_plan.conditions, v_plan.time_column, v_left
        );
        GET DIAGNOSTICS v_found = ROW_COUNT;
        v_left := v_left - v_found;
        EXIT WHEN v_left = 0;
        v_upper := v_lower;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.latest(regclass, anyelement, jsonb, integer, name) IS
    'The newest rows of a table, newest first, of those that have the values that the filter names ({"instrument_id": 7, "price": null}); by the column by which it is partitioned, or the one that is named, which a table without partitions needs. Steps back from the newest partition. Shape is NULL::<table>, or a row type with some of its columns. Rows without a time are left out. For live rows only, give it the view <table>_active. Locks: ACCESS SHARE on the table and the partitions that it looks into.';
