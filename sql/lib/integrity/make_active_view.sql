CREATE OR REPLACE FUNCTION dbperf.make_active_view(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- one that is there keeps its name, and what depends on it
    v_view CONSTANT text := coalesce(dbperf.active_view(make_active_view.relation)::text, dbperf.active_view_name(make_active_view.relation));
    v_columns text;
    v_grant record;
BEGIN
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = make_active_view.relation AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname NOT IN ('deleted_at', 'deleted_batch');

    BEGIN
        EXECUTE pg_catalog.format(
            'CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS SELECT %s FROM %s WHERE deleted_at IS NULL',
            v_view, v_columns, make_active_view.relation
        );
    EXCEPTION WHEN invalid_table_definition THEN -- a column was renamed: only a new view can say so
        PERFORM dbperf.drop_active_view(make_active_view.relation);
        EXECUTE pg_catalog.format(
            'CREATE VIEW %s WITH (security_invoker = true) AS SELECT %s FROM %s WHERE deleted_at IS NULL',
            v_view, v_columns, make_active_view.relation
        );
    END;
    EXECUTE pg_catalog.format(
        'COMMENT ON VIEW %s IS %L', v_view,
        pg_catalog.format('dbperf: rows of %s that are not deleted; DELETE reports how many it marked.', make_active_view.relation)
    );

    -- the triggers of a partitioned table report true counts by themselves
    IF (SELECT c.relkind = 'r' FROM pg_catalog.pg_class AS c WHERE c.oid = make_active_view.relation) THEN
        EXECUTE pg_catalog.format(
            'CREATE OR REPLACE TRIGGER dbperf_delete_active INSTEAD OF DELETE ON %s FOR EACH ROW EXECUTE FUNCTION dbperf.delete_active()', v_view
        );
    END IF;

    FOR v_grant IN
        SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee, a.privilege_type, a.is_grantable
        FROM pg_catalog.pg_class AS c
        CROSS JOIN pg_catalog.aclexplode(c.relacl) AS a
        WHERE c.oid = make_active_view.relation AND a.grantee <> c.relowner
          AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE pg_catalog.format(
            'GRANT %s ON %s TO %s%s', v_grant.privilege_type, v_view, v_grant.grantee,
            CASE WHEN v_grant.is_grantable THEN ' WITH GRANT OPTION' END
        );
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.make_active_view(regclass) IS
    'Makes the view of live rows, or makes it again with columns that were added; who may read or write the table may do so with the view. Locks: ACCESS EXCLUSIVE on the view, ACCESS SHARE on the table.';
