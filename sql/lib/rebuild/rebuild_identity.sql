CREATE OR REPLACE FUNCTION dbperf.rebuild_identity(relation regclass, column_name name)
RETURNS SETOF regclass
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
    SELECT d.objid::regclass
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'i'
    JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind = 'S'
    WHERE a.attrelid = rebuild_identity.relation AND a.attname = rebuild_identity.column_name AND a.attidentity <> ''
$$;

COMMENT ON FUNCTION dbperf.rebuild_identity(regclass, name) IS 'The sequence of an identity column; no row if it is none. Locks: none.';
