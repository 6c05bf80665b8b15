CREATE OR REPLACE FUNCTION dbperf.settling_order(relation regclass, staging regclass, index regclass)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_missing text;
    v_columns text;
    v_apart text; -- says of a row that the index does not count it as one of a key
BEGIN
    IF settling_order.index IS NULL THEN
        RETURN 'dbperf_row';
    END IF;
    SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(a.attname), ', ') INTO v_missing
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum > 0
    WHERE i.indexrelid = settling_order.index
      AND (a.attname = ANY (dbperf.index_columns(i.indexrelid)) OR i.indpred IS NOT NULL AND EXISTS (
          SELECT FROM pg_catalog.pg_depend AS d
          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum
      ))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS s WHERE s.attrelid = settling_order.staging AND s.attname = a.attname AND s.attnum > 0);
    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION 'the batch lacks columns that tell rows of % apart: %', settling_order.relation, v_missing
            USING ERRCODE = 'invalid_column_reference',
                  DETAIL = pg_catalog.format('They are in the unique index %s.', settling_order.index),
                  HINT = 'Fill them with what the rows shall have there, such as NULL for deleted_at, or name the key of another unique index.';
    END IF;

    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname) || CASE WHEN u.own NOT IN (0, a.attcollation) THEN ' COLLATE ' || u.own::regcollation ELSE '' END, ', ' ORDER BY u.place),
           nullif(pg_catalog.concat_ws(' OR ',
               CASE WHEN NOT i.indnullsnotdistinct AND NOT pg_catalog.bool_and(a.attnotnull)
                    THEN pg_catalog.format('pg_catalog.num_nulls(%s) > 0', pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ')) END,
               '(' || pg_catalog.pg_get_expr(i.indpred, i.indrelid) || ') IS NOT TRUE'
           ), '')
    INTO v_columns, v_apart
    FROM pg_catalog.pg_index AS i
    CROSS JOIN ROWS FROM (pg_catalog.unnest(i.indkey::smallint[]), pg_catalog.unnest(i.indcollation::oid[])) WITH ORDINALITY AS u (attnum, own, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
    WHERE i.indexrelid = settling_order.index AND u.place <= i.indnkeyatts
    GROUP BY i.indexrelid, i.indnullsnotdistinct, i.indpred, i.indrelid;
    RETURN pg_catalog.concat(v_columns, ', CASE WHEN ' || v_apart || ' THEN dbperf_row END');
END
$$;

COMMENT ON FUNCTION dbperf.settling_order(regclass, regclass, regclass) IS
    'What rows of a staging table are ordered by, and are one row of the table if it is equal: the key of the index; NULL for none. Raises 42P10 if the batch lacks a column of the index. Locks: none.';
