CREATE OR REPLACE FUNCTION dbperf.reading_plan(
    relation regclass, shape regtype, INOUT time_column name, filter jsonb, by_time boolean DEFAULT true,
    OUT conditions text, OUT columns text, OUT type text, OUT source regclass
)
RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than all the rest
AS $$
DECLARE
    v_found record;
BEGIN
    SELECT c.oid AS relation, t.typrelid AS shape, p.partrelid, k.attname, coalesce(a.attname, k.attname) AS time_column,
           coalesce(a.atttypid, k.atttypid) AS type, a.attname IS NOT NULL AS is_there
    INTO v_found
    FROM pg_catalog.pg_class AS c
    LEFT JOIN pg_catalog.pg_type AS t ON t.oid = reading_plan.shape
    LEFT JOIN pg_catalog.pg_partitioned_table AS p
        ON p.partstrat = 'r' AND p.partnatts = 1 AND p.partrelid = CASE c.relkind WHEN 'v' THEN dbperf.active_view_table(c.oid) WHEN 'p' THEN c.oid END
    LEFT JOIN pg_catalog.pg_attribute AS k ON k.attrelid = p.partrelid AND k.attnum = (p.partattrs::smallint[])[0]
    LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = c.oid AND a.attname = coalesce(reading_plan.time_column, k.attname) AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.oid = reading_plan.relation;
    IF coalesce(v_found.shape, 0) = 0 THEN
        RAISE EXCEPTION 'rows of % cannot have the shape %', reading_plan.relation, reading_plan.shape
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the table and its row type, such as (''market_data'', NULL::market_data).';
    ELSIF reading_plan.by_time AND NOT v_found.is_there THEN
        RAISE EXCEPTION '% has no column %', reading_plan.relation, coalesce(pg_catalog.quote_ident(reading_plan.time_column), 'by which it is partitioned')
            USING ERRCODE = 'undefined_column', HINT = 'Name the column of its times: time_column => ''timestamp''.';
    END IF;
    IF v_found.is_there AND v_found.time_column = v_found.attname THEN
        reading_plan.source := v_found.partrelid;
    END IF;
    reading_plan.time_column := v_found.time_column;
    reading_plan.type := pg_catalog.format_type(v_found.type, -1);
    reading_plan.conditions := CASE WHEN reading_plan.filter = '{}' THEN '' ELSE dbperf.column_conditions(reading_plan.relation, reading_plan.filter) END;
    reading_plan.columns := CASE WHEN v_found.shape = v_found.relation THEN 'r.*' ELSE (
        SELECT pg_catalog.string_agg(pg_catalog.format('r.%I', a.attname), ', ' ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = v_found.shape AND a.attnum > 0 AND NOT a.attisdropped
    ) END;
END
$$;

COMMENT ON FUNCTION dbperf.reading_plan(regclass, regtype, name, jsonb, boolean) IS
    'What dbperf.latest(), latest_of_each() and by_id() put their queries together from: the column of times and its type, conditions, the columns of the shape, and the table by whose partitions the time can be cut: of a view the table that it shows, NULL if there is none. Locks: none.';
