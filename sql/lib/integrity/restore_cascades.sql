CREATE OR REPLACE PROCEDURE dbperf.restore_cascades(schema_name name)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_tables CONSTANT regclass[] := dbperf.referencing_tables_of(restore_cascades.schema_name);
    v_table regclass;
    v_statement text;
BEGIN
    FOREACH v_table IN ARRAY v_tables LOOP -- one that refuses does so before the first one changes
        FOR v_statement IN SELECT k.statement FROM dbperf.restore_keys(v_table) AS k WHERE k.statement OPERATOR(pg_catalog.~~) 'SELECT %' LOOP
            EXECUTE v_statement;
        END LOOP;
    END LOOP;
    COMMIT;

    CALL dbperf.run_key_plans('restore_keys', v_tables);
END
$$;

COMMENT ON PROCEDURE dbperf.restore_cascades(name) IS
    'Puts the foreign keys of the schema''s tables back as they were before restrict_cascades(): actions, names, comments, step by committed step. Raises 55000 while soft delete would make orphans of a cascade. Can be called again after an interruption. Locks: as restrict_cascades().';
