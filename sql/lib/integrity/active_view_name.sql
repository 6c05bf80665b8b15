CREATE OR REPLACE FUNCTION dbperf.active_view_name(relation regclass)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = ''
AS $$
    -- a name is cut at 63 bytes: the table's part gives way
    SELECT pg_catalog.format('%I.%I', n.nspname, s.prefix || '_active')
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT pg_catalog.left(c.relname, l.length) AS prefix
        FROM pg_catalog.generate_series(1, pg_catalog.length(c.relname)) AS l (length)
        WHERE pg_catalog.octet_length(pg_catalog.left(c.relname, l.length)) <= 63 - pg_catalog.length('_active')
        ORDER BY l.length DESC LIMIT 1
    ) AS s
    WHERE c.oid = active_view_name.relation
$$;

COMMENT ON FUNCTION dbperf.active_view_name(regclass) IS
    'Name of the view of live rows, quoted and qualified: the table''s with _active. Locks: none.';
