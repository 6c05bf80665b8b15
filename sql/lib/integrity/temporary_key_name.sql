CREATE OR REPLACE FUNCTION dbperf.temporary_key_name(key_name name)
RETURNS name
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    -- the cast cuts at 63 bytes, never within a character; keys whose names begin alike stay apart
    SELECT ('dbperf_' || pg_catalog.left(pg_catalog.md5(temporary_key_name.key_name::text), 8) || '_' || temporary_key_name.key_name)::name
$$;

COMMENT ON FUNCTION dbperf.temporary_key_name(name) IS
    'Name that the replacement of a foreign key has until the old one is gone. Locks: none.';
