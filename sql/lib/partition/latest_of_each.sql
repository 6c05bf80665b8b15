CREATE OR REPLACE FUNCTION dbperf.latest_of_each(relation regclass, shape anyelement, key name, filter jsonb DEFAULT '{}', time_column name DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE plpgsql STABLE -- one snapshot for all pieces
SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 -- values go through text
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
AS $$
DECLARE
    v_plan record;
    v_table regclass := latest_of_each.relation;
    v_type text;
    v_equal text;
    v_row text;
    v_known text; -- reads every value that there can be
    v_ordered boolean;
    v_values text[]; -- those still missing if all are known, else those found
    v_found text[];
    v_record record;
    v_between text;
    v_lower text;
    v_upper text;
BEGIN
    SELECT p.* INTO v_plan FROM dbperf.reading_plan(latest_of_each.relation, pg_catalog.pg_typeof(latest_of_each.shape), latest_of_each.time_column, latest_of_each.filter) AS p;
    IF (SELECT c.relkind = 'v' FROM pg_catalog.pg_class AS c WHERE c.oid = latest_of_each.relation) THEN
        v_table := coalesce(dbperf.active_view_table(latest_of_each.relation), v_table);
    END IF;
    SELECT pg_catalog.format_type(a.atttypid, -1), dbperf.type_equality(a.atttypid), k.known,
           dbperf.type_equality(a.atttypid) = '=' AND EXISTS (
               SELECT FROM pg_catalog.pg_index AS i
               JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
               WHERE i.indrelid = b.attrelid AND (i.indkey::smallint[])[0] = b.attnum AND i.indisvalid AND i.indpred IS NULL
                 AND c.relam = (SELECT m.oid FROM pg_catalog.pg_am AS m WHERE m.amname = 'btree')
           )
    INTO v_type, v_equal, v_known, v_ordered
    FROM pg_catalog.pg_attribute AS a
    LEFT JOIN pg_catalog.pg_attribute AS b ON b.attrelid = v_table AND b.attname = a.attname AND b.atttypid = a.atttypid
    LEFT JOIN LATERAL (
        SELECT pg_catalog.format('SELECT pg_catalog.array_agg(p.%I::text) FROM %s AS p', f.attname, f.attrelid::regclass) AS known
        FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_attribute AS f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1] AND f.atttypid = a.atttypid
        WHERE k.conrelid = b.attrelid AND k.contype = 'f' AND k.conkey = ARRAY[b.attnum] AND k.convalidated AND NOT k.condeferrable
          -- what the caller may not see could have rows here
          AND pg_catalog.has_column_privilege(f.attrelid, f.attnum, 'SELECT') AND NOT pg_catalog.row_security_active(f.attrelid)
        LIMIT 1
    ) AS k ON true
    WHERE a.attrelid = latest_of_each.relation AND a.attname = latest_of_each.key AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has no column %', latest_of_each.relation, pg_catalog.quote_ident(latest_of_each.key)
            USING ERRCODE = 'undefined_column', HINT = 'Name the column of whose values you want the newest row each.';
    END IF;
    v_row := pg_catalog.format('ROW(%s)::%s', v_plan.columns, pg_catalog.pg_typeof(latest_of_each.shape));
    IF v_known IS NOT NULL THEN
        EXECUTE v_known INTO v_values;
    ELSE
        v_values := '{}';
    END IF;

    FOREACH v_lower IN ARRAY coalesce(dbperf.partition_steps(v_plan.source), '{}') || NULL::text LOOP
        EXIT WHEN v_known IS NOT NULL AND coalesce(pg_catalog.cardinality(v_values), 0) = 0;
        v_between := dbperf.between_bounds(v_plan.time_column, v_plan.type, v_lower, v_upper) || v_plan.conditions;
        v_found := '{}';
        FOR v_record IN EXECUTE pg_catalog.format(
            CASE
                WHEN v_known IS NULL AND NOT v_ordered THEN
                    'SELECT DISTINCT ON (r.%3$I) %1$s AS found, r.%3$I::text AS value FROM %2$s AS r WHERE %4$s AND r.%3$I IS NOT NULL'
                    ' AND NOT EXISTS (SELECT FROM pg_catalog.unnest($1) AS x WHERE r.%3$I %6$s x::%5$s) ORDER BY r.%3$I, r.%7$I DESC'
                ELSE
                    'SELECT l.found, c.value::text AS value FROM ('
                    || CASE WHEN v_known IS NOT NULL THEN 'SELECT u::%5$s FROM pg_catalog.unnest($1) AS u' ELSE
                        'WITH RECURSIVE v (value) AS ('
                        '(SELECT r.%3$I FROM %2$s AS r WHERE %4$s AND r.%3$I IS NOT NULL ORDER BY r.%3$I LIMIT 1) UNION ALL '
                        'SELECT (SELECT r.%3$I FROM %2$s AS r WHERE %4$s AND r.%3$I > v.value ORDER BY r.%3$I LIMIT 1) FROM v WHERE v.value IS NOT NULL'
                        ') SELECT v.value FROM v WHERE v.value IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.unnest($1) AS x WHERE v.value = x::%5$s)'
                    END
                    || ') AS c (value) CROSS JOIN LATERAL ('
                    'SELECT %1$s AS found FROM %2$s AS r WHERE r.%3$I %6$s c.value AND %4$s ORDER BY r.%7$I DESC LIMIT 1) AS l'
            END,
            v_row, latest_of_each.relation, latest_of_each.key, v_between, v_type, v_equal, v_plan.time_column
        ) USING v_values LOOP
            RETURN NEXT v_record.found;
            v_found := v_found || v_record.value;
        END LOOP;
        IF v_known IS NULL THEN
            v_values := v_values || v_found;
        ELSE
            v_values := ARRAY(SELECT pg_catalog.unnest(v_values) EXCEPT SELECT pg_catalog.unnest(v_found));
        END IF;
        v_upper := v_lower;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.latest_of_each(regclass, anyelement, name, jsonb, name) IS
    'The newest row of every value of a column, in no order; as dbperf.latest() otherwise. Steps back only for the values still missing: those of the table that the column references if there is a foreign key that is checked at once and the caller may read all of it, else it looks into every partition. NULL is no value. Locks: ACCESS SHARE on the table and the partitions that it looks into.';
