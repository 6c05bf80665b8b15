CREATE OR REPLACE FUNCTION dbperf.rebuild_referenced(keys jsonb)
RETURNS regclass[]
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(SELECT DISTINCT pg_catalog.to_regclass(r.value ->> 'referenced') FROM pg_catalog.jsonb_array_elements(rebuild_referenced.keys) AS r ORDER BY 1);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_referenced(jsonb) IS
    'Tables that foreign keys reference, of a list as dbperf.rebuild_references() returns it. Locks: none.';
