CREATE OR REPLACE FUNCTION dbperf.index_columns(index regclass)
RETURNS name[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY( -- the index's own attributes keep the names that the columns had
        SELECT a.attname
        FROM pg_catalog.pg_index AS i
        CROSS JOIN pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
        WHERE i.indexrelid = index_columns.index AND u.place <= i.indnkeyatts
        ORDER BY u.place
    );
END
$$;

COMMENT ON FUNCTION dbperf.index_columns(regclass) IS
    'The columns that an index without expressions has its key from, in its order, without those that it only includes; none for NULL. Locks: none.';
