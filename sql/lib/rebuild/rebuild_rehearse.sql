CREATE OR REPLACE FUNCTION dbperf.rebuild_rehearse(relation regclass, target regclass)
RETURNS text[]
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_schema name;
    v_name name;
    v_key text;
    v_statements jsonb;
    v_statement jsonb;
    v_message text;
    v_reasons text[] := '{}';
BEGIN
    IF NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP') THEN
        RAISE WARNING 'views, triggers and policies of % are not rehearsed: this role may make no temporary tables', rebuild_rehearse.relation USING HINT = 'GRANT TEMP ON DATABASE.';
        RETURN v_reasons;
    END IF;
    SELECT n.nspname, c.relname INTO v_schema, v_name
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = rebuild_rehearse.relation;
    IF pg_catalog.to_regclass(pg_catalog.format('pg_temp.%I', v_name)) IS NOT NULL THEN
        RETURN ARRAY[pg_catalog.format('this session has a temporary %I', v_name)];
    END IF;
    v_key := pg_catalog.pg_get_partkeydef(rebuild_rehearse.target);
    -- said so that they name the table without its schema; a temporary one of that name then comes first
    PERFORM pg_catalog.set_config('search_path', pg_catalog.format('%I, pg_catalog', v_schema), true);
    v_statements := (
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(s.what, s.statement) ORDER BY s.place, s.what)
        FROM (
            SELECT v.depth AS place, pg_catalog.format('view %s', v.view) AS what, pg_catalog.format('CREATE TEMP VIEW %I AS %s', CASE WHEN c.relnamespace = (SELECT x.relnamespace FROM pg_catalog.pg_class AS x WHERE x.oid = rebuild_rehearse.relation) THEN c.relname ELSE 'dbperf_rehearsal_' || c.oid END, pg_catalog.pg_get_viewdef(v.view)) AS statement
            FROM dbperf.rebuild_views(rebuild_rehearse.relation) AS v JOIN pg_catalog.pg_class AS c ON c.oid = v.view
            UNION ALL
            SELECT 1000, pg_catalog.format('trigger %I', g.tgname), pg_catalog.pg_get_triggerdef(g.oid, true)
            FROM pg_catalog.pg_trigger AS g
            JOIN pg_catalog.pg_proc AS f ON f.oid = g.tgfoid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace AND n.nspname <> 'dbperf'
            WHERE g.tgrelid = rebuild_rehearse.relation AND NOT g.tgisinternal AND g.tgparentid = 0
            UNION ALL -- for all commands: both expressions are read
            SELECT 1000, pg_catalog.format('policy %I', p.polname), pg_catalog.format('CREATE POLICY %I ON %I%s%s', p.polname, v_name, ' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')')
            FROM pg_catalog.pg_policy AS p WHERE p.polrelid = rebuild_rehearse.relation
        ) AS s
    );
    BEGIN
        EXECUTE pg_catalog.format('CREATE TEMP TABLE %I (LIKE %s INCLUDING INDEXES)%s', v_name, rebuild_rehearse.target, ' PARTITION BY ' || v_key);
        PERFORM pg_catalog.set_config('search_path', pg_catalog.format('pg_temp, %I, pg_catalog', v_schema), true);
        FOR v_statement IN SELECT s.value FROM pg_catalog.jsonb_array_elements(v_statements) AS s LOOP
            BEGIN
                EXECUTE v_statement ->> 1;
            EXCEPTION WHEN syntax_error_or_access_rule_violation OR feature_not_supported OR data_exception THEN
                GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT;
                v_reasons := v_reasons || pg_catalog.format('%s cannot be made of %s: %s', v_statement ->> 0, rebuild_rehearse.target, v_message);
            END;
        END LOOP;
        RAISE EXCEPTION USING ERRCODE = 'transaction_rollback', MESSAGE = 'over';
    EXCEPTION WHEN transaction_rollback THEN
        NULL;
    END;
    RETURN v_reasons;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_rehearse(regclass, regclass) IS
    'Which views, triggers and policies of the table cannot be made of the target, each with the server''s reason: makes them of an empty temporary table like it, and takes all of that back. Locks: ACCESS SHARE on both tables.';
