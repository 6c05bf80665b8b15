CREATE OR REPLACE FUNCTION dbperf.row_key(relation regclass)
RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        (
            SELECT pg_catalog.format('pg_catalog.jsonb_build_object(%s)', pg_catalog.string_agg(
                pg_catalog.format('%L, r.%I', a.attname, a.attname), ', ' ORDER BY pg_catalog.array_position(i.indkey::smallint[], a.attnum)
            ))
            FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
            WHERE i.indrelid = row_key.relation AND i.indisprimary
            HAVING pg_catalog.count(*) > 0
        ),
        'pg_catalog.jsonb_build_object(''table'', r.tableoid::regclass::text, ''ctid'', r.ctid::text)'
    )
$$;

COMMENT ON FUNCTION dbperf.row_key(regclass) IS
    'SQL expression that names a row (called r) as jsonb: its primary key, or where it lies if there is none. Locks: none.';
