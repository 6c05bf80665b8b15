CREATE OR REPLACE FUNCTION dbperf.active_view(relation regclass)
RETURNS regclass
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.oid::regclass
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_rewrite AS w ON w.oid = d.objid
    JOIN pg_catalog.pg_class AS c ON c.oid = w.ev_class AND c.relkind = 'v'
    WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = active_view.relation
      AND pg_catalog.obj_description(c.oid, 'pg_class') LIKE 'dbperf: rows of % that are not deleted%'
    LIMIT 1
$$;

COMMENT ON FUNCTION dbperf.active_view(regclass) IS
    'The view of live rows of the table, whatever both are called now; NULL if there is none. Locks: none.';
