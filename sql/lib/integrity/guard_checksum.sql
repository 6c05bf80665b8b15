CREATE OR REPLACE FUNCTION dbperf.guard_checksum(guarded regclass, name name)
RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.md5(pg_catalog.replace(pg_catalog.pg_get_triggerdef(g.oid), pg_catalog.format(' ON %I.%I ', n.nspname, c.relname), ' '))
    FROM pg_catalog.pg_trigger AS g
    JOIN pg_catalog.pg_class AS c ON c.oid = g.tgrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE g.tgrelid = guard_checksum.guarded AND g.tgname = guard_checksum.name
$$;

COMMENT ON FUNCTION dbperf.guard_checksum(regclass, name) IS
    'MD5 of the trigger''s definition without the name of its table, which may be renamed; NULL if it is not there. Locks: none.';
