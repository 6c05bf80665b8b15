CREATE OR REPLACE FUNCTION dbperf.rebuild_view_statements(view regclass, definition text)
RETURNS TABLE (place integer, statement text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT 1, pg_catalog.format('CREATE VIEW %s %s AS %s', c.oid::regclass, CASE WHEN c.reloptions IS NOT NULL THEN (
            SELECT pg_catalog.format('WITH (%s)', pg_catalog.string_agg(pg_catalog.format('%s = %L', o.option_name, o.option_value), ', ')) FROM pg_catalog.pg_options_to_table(c.reloptions) AS o
        ) END, rebuild_view_statements.definition)
        FROM pg_catalog.pg_class AS c WHERE c.oid = rebuild_view_statements.view
        UNION ALL
        SELECT 2, pg_catalog.format('COMMENT ON %s IS %L', CASE WHEN d.objsubid = 0 THEN pg_catalog.format('VIEW %s', rebuild_view_statements.view) ELSE pg_catalog.format('COLUMN %s.%I', rebuild_view_statements.view, a.attname) END, d.description)
        FROM pg_catalog.pg_description AS d LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
        WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = rebuild_view_statements.view
        UNION ALL
        SELECT 2, pg_catalog.format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', rebuild_view_statements.view, a.attname, pg_catalog.pg_get_expr(f.adbin, f.adrelid))
        FROM pg_catalog.pg_attrdef AS f JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
        WHERE f.adrelid = rebuild_view_statements.view
        UNION ALL -- default privileges are not what it had
        SELECT 2, pg_catalog.format('REVOKE ALL ON %s FROM %s', rebuild_view_statements.view, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END)
        FROM pg_catalog.pg_default_acl AS a CROSS JOIN LATERAL pg_catalog.aclexplode(a.defaclacl) AS x WHERE a.defaclobjtype = 'r' AND x.grantee <> a.defaclrole
        UNION ALL
        SELECT 3, pg_catalog.format('GRANT %s%s ON %s TO %s%s', x.privilege_type, CASE WHEN x.column_name IS NOT NULL THEN pg_catalog.format(' (%I)', x.column_name) END, rebuild_view_statements.view,
                                    CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' END)
        FROM (
            SELECT NULL::name AS column_name, p.* FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS p WHERE c.oid = rebuild_view_statements.view AND p.grantee <> c.relowner
            UNION ALL
            SELECT a.attname, p.* FROM pg_catalog.pg_attribute AS a CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS p WHERE a.attrelid = rebuild_view_statements.view AND NOT a.attisdropped
        ) AS x
        UNION ALL
        SELECT 4, pg_catalog.format('ALTER VIEW %s OWNER TO %I', rebuild_view_statements.view, pg_catalog.pg_get_userbyid(c.relowner))
        FROM pg_catalog.pg_class AS c WHERE c.oid = rebuild_view_statements.view AND c.relowner <> CURRENT_USER::regrole;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_view_statements(regclass, text) IS
    'Statements that make a view again with this definition and with its options, defaults, comments, privileges and owner. Locks: ACCESS SHARE on it.';
