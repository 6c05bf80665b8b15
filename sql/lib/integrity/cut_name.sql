CREATE OR REPLACE FUNCTION dbperf.cut_name(name text, bytes integer)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.left(cut_name.name, pg_catalog.max(l.length))
    FROM pg_catalog.generate_series(1, pg_catalog.length(cut_name.name)) AS l (length)
    WHERE pg_catalog.octet_length(pg_catalog.left(cut_name.name, l.length)) <= cut_name.bytes
$$;

COMMENT ON FUNCTION dbperf.cut_name(text, integer) IS
    'As much of the name as fits into so many bytes; the server cuts identifiers at 63. Locks: none.';
