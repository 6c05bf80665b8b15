CREATE OR REPLACE FUNCTION dbperf.settling_key(key name[])
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.format('ROW(%s)::text', pg_catalog.string_agg(pg_catalog.format('t.%I', u.name), ', '))
    FROM pg_catalog.unnest(settling_key.key) AS u (name)
$$;

COMMENT ON FUNCTION dbperf.settling_key(name[]) IS
    'Expression for the key of a row t of the table, as text. Locks: none.';
