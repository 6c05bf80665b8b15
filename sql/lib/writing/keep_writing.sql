CREATE OR REPLACE FUNCTION dbperf.keep_writing()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table name;
    v_schema name;
    v_name name;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['quarantine', 'batch_ledger'] LOOP
        EXECUTE pg_catalog.format(
            'SELECT coalesce((SELECT n.nspname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace '
            'WHERE c.oid = pg_catalog.to_regclass(t.target)), ''public'') FROM dbperf.%I AS t LIMIT 1', v_table
        ) INTO v_schema;
        CONTINUE WHEN v_schema IS NULL; -- it has no row
        SELECT f.name INTO v_name
        FROM (SELECT 'dbperf_' || v_table || coalesce('_' || nullif(i, 1), '') AS name FROM pg_catalog.generate_series(1, 1000) AS i) AS f
        WHERE pg_catalog.to_regclass(pg_catalog.format('%I.%I', v_schema, f.name)) IS NULL
        LIMIT 1;
        EXECUTE pg_catalog.format('ALTER TABLE dbperf.%I RENAME TO %I', v_table, v_name);
        EXECUTE pg_catalog.format('ALTER TABLE dbperf.%I SET SCHEMA %I', v_name, v_schema);
        RAISE NOTICE 'kept: the rows of dbperf.% are in table %.%', v_table, v_schema, v_name;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.keep_writing() IS
    'Moves dbperf.quarantine and dbperf.batch_ledger, if they have rows, to the schema of a table they are about, as dbperf_quarantine and dbperf_batch_ledger, and says so. Locks: ACCESS EXCLUSIVE on them.';
