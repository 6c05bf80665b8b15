CREATE OR REPLACE FUNCTION dbperf.settling_rows(relation regclass, staging regclass, on_conflict text, index regclass, newer name)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_missing text;
    v_key record;
BEGIN
    IF settling_rows.index IS NULL THEN
        RETURN pg_catalog.format('SELECT * FROM %s', settling_rows.staging);
    END IF;
    SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(a.attname), ', ') INTO v_missing
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = settling_rows.index
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = settling_rows.relation AND d.refobjsubid > 0
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS s WHERE s.attrelid = settling_rows.staging AND s.attname = a.attname AND s.attnum > 0);
    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION 'the batch lacks columns that tell rows of % apart: %', settling_rows.relation, v_missing
            USING ERRCODE = 'invalid_column_reference',
                  DETAIL = pg_catalog.format('They are in the unique index %s.', settling_rows.index),
                  HINT = 'Fill them with what the rows shall have there, such as NULL for deleted_at, or name the key of another unique index.';
    END IF;

    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY u.place) AS columns,
           pg_catalog.concat_ws(' OR ',
               CASE WHEN NOT i.indnullsnotdistinct AND NOT pg_catalog.bool_and(a.attnotnull)
                    THEN pg_catalog.format('pg_catalog.num_nulls(%s) > 0', pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ')) END,
               '(' || pg_catalog.pg_get_expr(i.indpred, i.indrelid) || ') IS NOT TRUE'
           ) AS apart
    INTO v_key
    FROM pg_catalog.pg_index AS i
    CROSS JOIN pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS u (attnum, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
    WHERE i.indexrelid = settling_rows.index AND u.place <= i.indnkeyatts
    GROUP BY i.indexrelid, i.indnullsnotdistinct, i.indpred, i.indrelid;

    -- rows of one key are settled here, but those that the index does not count as such
    RETURN pg_catalog.format(
        'SELECT DISTINCT ON (%1$s%2$s) * FROM %3$s ORDER BY %1$s%2$s, %4$s dbperf_row %5$s',
        v_key.columns, ', CASE WHEN ' || nullif(v_key.apart, '') || ' THEN dbperf_row END', settling_rows.staging,
        pg_catalog.quote_ident(settling_rows.newer) || ' DESC NULLS LAST,', CASE settling_rows.on_conflict WHEN 'ignore' THEN 'ASC' ELSE 'DESC' END
    );
END
$$;

COMMENT ON FUNCTION dbperf.settling_rows(regclass, regclass, text, regclass, name) IS
    'Query for the rows of a staging table as the table takes them, of each key in the index one, in its order: the first for ignore, else the newest or last. Raises 42P10 if the batch lacks a column of the index. Locks: none.';
