CREATE OR REPLACE FUNCTION dbperf.check_exact(relation regclass, columns name[], target regtype)
RETURNS TABLE (column_name name, row_key jsonb, value text, reason text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a row that a policy hides would be converted unread
AS $$
DECLARE
    v_digits CONSTANT integer := CASE check_exact.target WHEN 'real'::regtype THEN 6 WHEN 'double precision'::regtype THEN 15 END;
    v_largest CONSTANT text := CASE check_exact.target WHEN 'real'::regtype THEN '3.4028234e38' ELSE '1.79769313486231e308' END;
    v_smallest CONSTANT text := CASE check_exact.target WHEN 'real'::regtype THEN '1.1754944e-38' ELSE '2.2250738585073e-308' END;
    v_column name;
    v_declared record;
    v_settled text;
BEGIN
    IF v_digits IS NULL OR check_exact.relation IS NULL OR coalesce(check_exact.columns, '{}') = '{}' THEN
        RAISE EXCEPTION 'exactness is proved for double precision and real, not for %', coalesce(check_exact.target::text, 'NULL')
            USING ERRCODE = 'feature_not_supported', HINT = 'Name a table, its columns and one of these types.';
    END IF;
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(s.column_name), ', ') INTO v_settled
    FROM dbperf.settled_column AS s
    WHERE coalesce(pg_catalog.pg_partition_root(s.relation), s.relation) = coalesce(pg_catalog.pg_partition_root(check_exact.relation), check_exact.relation)
      AND s.column_name = ANY (check_exact.columns);
    IF v_settled IS NOT NULL THEN
        RAISE EXCEPTION '% of % is settled money and stays numeric', v_settled, check_exact.relation
            USING ERRCODE = 'DP004', HINT = 'Leave it out.';
    END IF;

    FOREACH v_column IN ARRAY check_exact.columns LOOP
        SELECT a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type INTO v_declared
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = check_exact.relation AND a.attname = v_column AND a.attnum > 0 AND NOT a.attisdropped;
        IF NOT FOUND THEN
            RAISE EXCEPTION '% has no column %', check_exact.relation, pg_catalog.quote_ident(v_column) USING ERRCODE = 'undefined_column', HINT = 'Name its numeric columns.';
        ELSIF v_declared.atttypid NOT IN ('numeric'::regtype, 'bigint'::regtype, 'integer'::regtype, 'smallint'::regtype) THEN
            RAISE EXCEPTION 'column % of % is %', pg_catalog.quote_ident(v_column), check_exact.relation, v_declared.type
                USING ERRCODE = 'datatype_mismatch', HINT = 'Exactness is proved for numeric and integer columns.';
        END IF;

        -- CASE looks in order, and so casts only what the type can hold. Digits: without the zeros at either end,
        -- as a scientific notation counts them. The way back ends in the declared type, whose scale it brings back.
        RETURN QUERY EXECUTE pg_catalog.format(
            'SELECT %1$L::name, %2$s, r.%3$I::text, w.reason FROM %4$s AS r CROSS JOIN LATERAL (SELECT CASE '
            'WHEN r.%3$I::numeric = ''NaN'' THEN ''NaN'' '
            'WHEN r.%3$I::numeric IN (''Infinity'', ''-Infinity'') THEN ''infinity'' '
            'WHEN pg_catalog.abs(r.%3$I::numeric) > %5$s THEN ''larger than the type holds'' '
            'WHEN r.%3$I <> 0 AND pg_catalog.abs(r.%3$I::numeric) < %6$s THEN ''smaller than the type holds'' '
            'WHEN pg_catalog.length(pg_catalog.btrim(pg_catalog.replace(pg_catalog.abs(r.%3$I::numeric)::text, ''.'', ''''), ''0'')) > %7$s THEN ''more than %7$s digits'' '
            'WHEN r.%3$I::numeric::%8$s::numeric::%9$s IS DISTINCT FROM r.%3$I THEN ''comes back as '' || r.%3$I::numeric::%8$s::numeric '
            'WHEN r.%3$I::numeric::%8$s::numeric::%9$s::text <> r.%3$I::text THEN ''scale: comes back as '' || r.%3$I::numeric::%8$s::numeric::%9$s '
            'END AS reason) AS w WHERE r.%3$I IS NOT NULL AND w.reason IS NOT NULL',
            v_column, dbperf.row_key(check_exact.relation), v_column, check_exact.relation,
            v_largest, v_smallest, v_digits, check_exact.target, v_declared.type
        );
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.check_exact(regclass, name[], regtype) IS
    'Reads every row and returns those whose value would not survive the way to target (double precision or real) and back to the column''s type: column, the row''s key, value, reason (NaN, infinity, larger or smaller than the type holds, more than 15 or 6 digits, scale). No row is the proof that nothing is lost. Raises DP004 for settled money. Locks: ACCESS SHARE on the table.';
