CREATE OR REPLACE FUNCTION dbperf.index_definition(index regclass)
RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || pg_catalog.substr(
        pg_catalog.pg_get_indexdef(c.oid),
        pg_catalog.length(pg_catalog.format(
            'CREATE %sINDEX %I ON %s%I.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' END, c.relname, CASE WHEN c.relkind = 'I' THEN 'ONLY ' END, CASE WHEN n.oid = pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, t.relname
        )) + 1
    )
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    WHERE i.indexrelid = index_definition.index
$$;

COMMENT ON FUNCTION dbperf.index_definition(regclass) IS
    'What an index is, without its name and its table''s: UNIQUE, then method, columns, INCLUDE, WITH and WHERE as the server writes them. Locks: none.';
