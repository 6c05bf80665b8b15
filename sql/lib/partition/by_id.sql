CREATE OR REPLACE FUNCTION dbperf.by_id(relation regclass, shape anyelement, id bigint, id_column name DEFAULT 'id')
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE ROWS 1 -- one snapshot for all pieces
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_plan record;
    v_query text;
    v_range text[];
    v_lower text;
    v_upper text;
BEGIN
    SELECT p.* INTO v_plan
    FROM dbperf.reading_plan(by_id.relation, pg_catalog.pg_typeof(by_id.shape), NULL, '{}', false) AS p;
    v_query := pg_catalog.format('SELECT %s FROM %s AS r WHERE r.%I = %L::bigint', v_plan.columns, by_id.relation, by_id.id_column, by_id.id);
    IF v_plan.source IS NULL THEN
        RETURN QUERY EXECUTE v_query || ' LIMIT 1';
        RETURN;
    END IF;

    -- What is recorded may be wrong by now: it says where to look first.
    IF pg_catalog.has_table_privilege('dbperf.closed_partition', 'SELECT') THEN
        FOR v_range IN
            SELECT dbperf.partition_range(c.leaf)
            FROM dbperf.closed_partition AS c
            WHERE c.relation = v_plan.source AND c.last_id >= by_id.id AND c.first_id <= by_id.id
            ORDER BY c.last_id LIMIT 3
        LOOP
            CONTINUE WHEN v_range IS NULL;
            RETURN QUERY EXECUTE pg_catalog.format(
                '%s AND %s LIMIT 1', v_query, dbperf.between_bounds(v_plan.time_column, v_plan.type, v_range[1], v_range[2])
            );
            IF FOUND THEN
                RETURN;
            END IF;
        END LOOP;
    END IF;
    FOREACH v_lower IN ARRAY dbperf.partition_steps(v_plan.source) || NULL::text LOOP
        RETURN QUERY EXECUTE pg_catalog.format(
            '%s AND %s LIMIT 1', v_query, dbperf.between_bounds(v_plan.time_column, v_plan.type, v_lower, v_upper)
        );
        IF FOUND THEN
            RETURN;
        END IF;
        v_upper := v_lower;
    END LOOP;
    -- a row without a time is in no piece
    RETURN QUERY EXECUTE pg_catalog.format('%s AND r.%I IS NULL LIMIT 1', v_query, v_plan.time_column);
END
$$;

COMMENT ON FUNCTION dbperf.by_id(regclass, anyelement, bigint, name) IS
    'The row with this id, one of them if several have it. Looks first where closed partitions are recorded to have had it (if the caller may read dbperf.closed_partition and the policy names the id column), then everywhere, the newest first: an id that is nowhere costs a look into every partition. Shape as for dbperf.latest(). Locks: ACCESS SHARE on the table and the partitions that it looks into.';
