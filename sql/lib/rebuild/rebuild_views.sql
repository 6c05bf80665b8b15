CREATE OR REPLACE FUNCTION dbperf.rebuild_views(relation regclass)
RETURNS TABLE (view regclass, depth integer)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        WITH RECURSIVE dependent AS (
            SELECT rebuild_views.relation::oid AS oid, 0 AS depth
            UNION
            SELECT w.ev_class, x.depth + 1
            FROM dependent AS x
            JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = x.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
            JOIN pg_catalog.pg_rewrite AS w ON w.oid = d.objid AND w.ev_class <> x.oid
            JOIN pg_catalog.pg_class AS c ON c.oid = w.ev_class AND c.relkind = 'v'
        )
        SELECT x.oid::regclass, pg_catalog.max(x.depth) FROM dependent AS x WHERE x.depth > 0 GROUP BY x.oid ORDER BY 2, x.oid;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_views(regclass) IS
    'Views that read the table, directly or through others, those first that others read. Locks: none.';
