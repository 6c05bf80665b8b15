CREATE OR REPLACE FUNCTION dbperf.rebuild_analyze(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_analyze.relation) AS s;
    IF NOT v_sides.is_cut_over AND EXISTS (
        SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = v_sides.shadow AND c.reltuples < 0
    ) THEN -- once: queries are planned by it the moment the names are swapped
        EXECUTE pg_catalog.format('ANALYZE %s', v_sides.shadow);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_analyze(regclass) IS
    'Gathers statistics of the table that is kept in step if there are none. Locks: SHARE UPDATE EXCLUSIVE on it.';
