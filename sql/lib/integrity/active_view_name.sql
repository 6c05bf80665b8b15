CREATE OR REPLACE FUNCTION dbperf.active_view_name(relation regclass)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.format('%I.%I', n.nspname, dbperf.cut_name(c.relname, 63 - pg_catalog.length('_active')) || '_active')
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = active_view_name.relation
$$;

COMMENT ON FUNCTION dbperf.active_view_name(regclass) IS
    'Name of the view of live rows, quoted and qualified: the table''s with _active. Locks: none.';
