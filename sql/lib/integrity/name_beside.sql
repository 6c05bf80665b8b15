CREATE OR REPLACE FUNCTION dbperf.name_beside(relation regclass, suffix text, bytes integer)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.format('%I.%I', n.nspname, f.name)
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (
            SELECT dbperf.cut_name(c.relname, name_beside.bytes) || name_beside.suffix || coalesce('_' || nullif(i, 1), '') AS name
            FROM pg_catalog.generate_series(1, 1000) AS i
        ) AS f
        WHERE c.oid = name_beside.relation AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS x WHERE x.relnamespace = n.oid AND x.relname = f.name)
        LIMIT 1
    );
END
$$;

COMMENT ON FUNCTION dbperf.name_beside(regclass, text, integer) IS
    'A name that is free in the table''s schema, schema first: so many bytes of the table''s name, the suffix, and a number if need be. Locks: none.';
