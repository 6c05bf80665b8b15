CREATE OR REPLACE FUNCTION dbperf.mark_target(target regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    EXECUTE pg_catalog.format('COMMENT ON TABLE %s IS %L', mark_target.target, 'dbperf: what a table is to become, until its rebuild begins.');
END
$$;

COMMENT ON FUNCTION dbperf.mark_target(regclass) IS
    'Comments on a table that dbperf made for a rebuild: dbperf.leftover_target() knows it by that. Locks: SHARE UPDATE EXCLUSIVE on it.';
