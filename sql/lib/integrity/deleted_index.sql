CREATE OR REPLACE FUNCTION dbperf.deleted_index(relation regclass)
RETURNS regclass
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT i.indexrelid::regclass
        FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = deleted_index.relation AND i.indexprs IS NULL
          AND pg_catalog.pg_get_expr(i.indpred, i.indrelid) = '(deleted_at IS NOT NULL)'
          AND ARRAY(
              SELECT a.attname::text FROM pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS u (attnum, place)
              JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
              ORDER BY u.place
          ) = ARRAY['deleted_at', 'deleted_batch']
        ORDER BY i.indisvalid DESC, i.indexrelid
        LIMIT 1
    );
END
$$;

COMMENT ON FUNCTION dbperf.deleted_index(regclass) IS
    'The index on (deleted_at, deleted_batch) of marked rows, whatever its name, valid or not; NULL if there is none. Locks: none.';
