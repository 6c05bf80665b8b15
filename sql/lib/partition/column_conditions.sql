CREATE OR REPLACE FUNCTION dbperf.column_conditions(relation regclass, filter jsonb)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than all the rest
AS $$
DECLARE
    v_conditions text;
    v_wrong text;
BEGIN
    IF pg_catalog.jsonb_typeof(column_conditions.filter) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'a filter has to be a JSON object, not %', coalesce(column_conditions.filter::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Such as {"instrument_id": 7}.';
    END IF;
    SELECT pg_catalog.string_agg(
               pg_catalog.format(
                   CASE WHEN f.value = 'null' THEN ' AND r.%1$I IS NULL' ELSE ' AND r.%1$I %2$s %3$L::%4$s' END,
                   a.attname, CASE WHEN a.atttypid < 16384 THEN '=' ELSE dbperf.type_equality(a.atttypid) END, column_conditions.filter ->> f.key,
                   pg_catalog.format_type(a.atttypid, -1) -- without its length or scale, to which a cast would cut
               ), ''
           ) FILTER (WHERE a.attname IS NOT NULL),
           pg_catalog.min(f.key) FILTER (WHERE a.attname IS NULL)
    INTO v_conditions, v_wrong
    FROM pg_catalog.jsonb_each(column_conditions.filter) AS f
    LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = column_conditions.relation AND a.attname = f.key AND a.attnum > 0 AND NOT a.attisdropped;
    IF v_wrong IS NOT NULL THEN
        RAISE EXCEPTION '% has no column %', column_conditions.relation, pg_catalog.quote_ident(v_wrong)
            USING ERRCODE = 'undefined_column', HINT = 'A filter names columns and the values that they have to have.';
    END IF;
    RETURN coalesce(v_conditions, '');
END
$$;

COMMENT ON FUNCTION dbperf.column_conditions(regclass, jsonb) IS
    'Conditions on columns of r, each after AND: equal to a value, cast to the column''s type, or NULL. Raises 42703 for a column that is not there. Locks: none.';
