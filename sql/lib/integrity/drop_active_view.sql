CREATE OR REPLACE FUNCTION dbperf.drop_active_view(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_view CONSTANT regclass := dbperf.active_view(drop_active_view.relation);
BEGIN
    IF v_view IS NOT NULL THEN
        EXECUTE pg_catalog.format('DROP VIEW %s', v_view);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.drop_active_view(regclass) IS
    'Drops the view of live rows; refuses while something depends on it. Locks: ACCESS EXCLUSIVE on the view.';
