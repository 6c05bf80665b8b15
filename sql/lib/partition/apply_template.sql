CREATE OR REPLACE PROCEDURE dbperf.apply_template(relation regclass)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_statement text;
BEGIN
    FOR v_statement IN SELECT w.statement FROM dbperf.maintenance_work(apply_template.relation, false) AS w WHERE w.task OPERATOR(pg_catalog.=) 'change' LOOP
        CALL dbperf.run_online(v_statement);
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.apply_template(regclass) IS
    'Makes every partition of the table as its template, a transaction for each; called again it goes on where it stopped. dbperf.maintain() does the same. Raises 55P03 after three times 50 ms. Locks: as dbperf.match_template().';
