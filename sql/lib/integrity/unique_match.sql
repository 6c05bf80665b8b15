CREATE OR REPLACE FUNCTION dbperf.unique_match(index regclass, one text, other text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.string_agg(
            pg_catalog.format(CASE WHEN i.indnullsnotdistinct AND NOT a.attnotnull THEN '(%1$s.%2$I %3$s %4$s.%2$I OR %1$s.%2$I IS NULL AND %4$s.%2$I IS NULL)' ELSE '%1$s.%2$I %3$s %4$s.%2$I' END,
                              unique_match.one, a.attname, dbperf.equality_operator(u.class), unique_match.other),
            ' AND ' ORDER BY u.place
        )
        FROM pg_catalog.pg_index AS i
        CROSS JOIN ROWS FROM (
            pg_catalog.unnest(i.indkey::smallint[]), pg_catalog.unnest(i.indclass::oid[])
        ) WITH ORDINALITY AS u (attnum, class, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
        WHERE i.indexrelid = unique_match.index AND u.place <= i.indnkeyatts
    );
END
$$;

COMMENT ON FUNCTION dbperf.unique_match(regclass, text, text) IS
    'SQL condition under which two rows have the same key of the unique index on columns, with the operators that the index itself uses; NULLs are equal if they are so to the index. Locks: none.';
