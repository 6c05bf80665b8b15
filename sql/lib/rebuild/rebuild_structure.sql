CREATE OR REPLACE FUNCTION dbperf.rebuild_structure(source regclass, target regclass)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.md5(pg_catalog.string_agg(
            pg_catalog.format('%s %I %s %s %s', a.attrelid = rebuild_structure.source, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated),
            ', ' ORDER BY a.attrelid = rebuild_structure.source, a.attnum
        ))
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid IN (rebuild_structure.source, rebuild_structure.target) AND a.attnum > 0 AND NOT a.attisdropped
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_structure(regclass, regclass) IS
    'MD5 of the columns of both tables: other columns than at the start would not be copied. Locks: none.';
