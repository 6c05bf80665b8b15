CREATE OR REPLACE FUNCTION dbperf.key_equality(index regclass, one text, other text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.string_agg(
            pg_catalog.format(CASE WHEN i.indnullsnotdistinct AND NOT a.attnotnull THEN '(%1$s.%2$I %4$s %3$s.%2$I OR %1$s.%2$I IS NULL AND %3$s.%2$I IS NULL)' ELSE '%1$s.%2$I %4$s %3$s.%2$I' END,
                              key_equality.one, a.attname, key_equality.other, dbperf.equality_operator(u.class)),
            ' AND ' ORDER BY u.place
        )
        FROM pg_catalog.pg_index AS i
        CROSS JOIN ROWS FROM (pg_catalog.unnest(i.indkey::smallint[]), pg_catalog.unnest(i.indclass::oid[])) WITH ORDINALITY AS u (attnum, class, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
        WHERE i.indexrelid = key_equality.index AND u.place <= i.indnkeyatts
    );
END
$$;

COMMENT ON FUNCTION dbperf.key_equality(regclass, text, text) IS
    'SQL condition under which two rows, by their names, have one key in a unique index of plain columns. Locks: none.';
