CREATE OR REPLACE PROCEDURE dbperf.run_key_plans(plan name, tables regclass[])
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_table regclass;
    v_statement text;
BEGIN
    FOREACH v_table IN ARRAY run_key_plans.tables LOOP
        LOOP
            EXECUTE pg_catalog.format('SELECT p.statement FROM dbperf.%I($1) AS p WHERE p.statement OPERATOR(pg_catalog.!~~) ''SELECT %%'' LIMIT 1', run_key_plans.plan)
            INTO v_statement USING v_table;
            EXIT WHEN v_statement IS NULL;
            CALL dbperf.run_online(v_statement);
        END LOOP;
        COMMIT;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.run_key_plans(name, regclass[]) IS
    'Runs, for each of the tables, the first statement that the plan (restrict_keys or restore_keys) has left and commits, until none is left. Checks, which begin with SELECT, are the caller''s. Locks: as the statements.';
