CREATE OR REPLACE FUNCTION dbperf.column_names(relation oid, numbers smallint[])
RETURNS name[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY(
        SELECT a.attname FROM pg_catalog.unnest(column_names.numbers) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = column_names.relation AND a.attnum = u.attnum
        ORDER BY u.place
    )
$$;

COMMENT ON FUNCTION dbperf.column_names(oid, smallint[]) IS 'Names of the columns with these numbers, in the same order. Locks: none.';
