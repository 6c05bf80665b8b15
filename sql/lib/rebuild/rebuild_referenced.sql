CREATE OR REPLACE FUNCTION dbperf.rebuild_referenced(keys jsonb)
RETURNS regclass[]
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT c.oid::regclass FROM pg_catalog.jsonb_array_elements(rebuild_referenced.keys) AS r
        JOIN pg_catalog.pg_class AS c ON c.oid = (r.value ->> 'referenced')::oid ORDER BY 1
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_referenced(jsonb) IS
    'Tables that foreign keys reference, of a list as dbperf.rebuild_references() returns it, and that are still there. Locks: none.';
