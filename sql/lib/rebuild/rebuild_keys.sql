CREATE OR REPLACE FUNCTION dbperf.rebuild_keys(relation regclass, columns name[])
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.format('pg_catalog.jsonb_to_recordset($1) AS k (%s)', pg_catalog.string_agg(
            pg_catalog.format('k%s %s', u.place, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY u.place
        ))
        FROM pg_catalog.unnest(rebuild_keys.columns) WITH ORDINALITY AS u (name, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = rebuild_keys.relation AND a.attname = u.name
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_keys(regclass, name[]) IS
    'SQL that makes rows k of the keys in a jsonb array $1, with the types of these columns. Locks: none.';
