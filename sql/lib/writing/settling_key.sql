CREATE OR REPLACE FUNCTION dbperf.settling_key(key name[], updates name[])
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.format('ROW(%s)::text', pg_catalog.string_agg(pg_catalog.format('%s.%I', CASE WHEN u.name = ANY (settling_key.updates) THEN 'excluded' ELSE 't' END, u.name), ', '))
    FROM pg_catalog.unnest(settling_key.key) AS u (name)
$$;

COMMENT ON FUNCTION dbperf.settling_key(name[], name[]) IS
    'Expression for the key that a row t of the table has once these columns are updated, as text. Locks: none.';
