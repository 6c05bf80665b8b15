CREATE OR REPLACE FUNCTION dbperf.temporary_key_name(key_name name)
RETURNS name
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = ''
AS $$
    SELECT (pg_catalog.left(temporary_key_name.key_name, 40) || '_dbperf')::name
$$;

COMMENT ON FUNCTION dbperf.temporary_key_name(name) IS
    'Name that the replacement of a foreign key has until the old one is gone. Locks: none.';
