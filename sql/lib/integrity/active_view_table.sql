CREATE OR REPLACE FUNCTION dbperf.active_view_table(view regclass)
RETURNS regclass
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.refobjid::regclass
    FROM pg_catalog.pg_rewrite AS w
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
    WHERE w.ev_class = active_view_table.view AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> w.ev_class
    LIMIT 1
$$;

COMMENT ON FUNCTION dbperf.active_view_table(regclass) IS
    'The table whose live rows the view shows, whatever its name is now. Locks: none.';
