CREATE OR REPLACE PROCEDURE dbperf.restrict_cascades(schema_name name, dry_run boolean DEFAULT false)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_tables CONSTANT regclass[] := dbperf.referencing_tables_of(restrict_cascades.schema_name);
    v_table regclass;
    v_statement text;
BEGIN
    -- all of them are looked at, and orphans are said, before the first one changes
    FOREACH v_table IN ARRAY v_tables LOOP
        FOR v_statement IN SELECT k.statement FROM dbperf.restrict_keys(v_table) AS k LOOP
            IF restrict_cascades.dry_run THEN
                RAISE NOTICE '%;', v_statement;
            END IF;
        END LOOP;
    END LOOP;
    IF restrict_cascades.dry_run THEN
        ROLLBACK;
        RETURN;
    END IF;
    COMMIT;

    CALL dbperf.run_key_plans('restrict_keys', v_tables);
END
$$;

COMMENT ON PROCEDURE dbperf.restrict_cascades(name, boolean) IS
    'Replaces CASCADE, SET NULL and SET DEFAULT, ON DELETE and ON UPDATE, in every foreign key of the schema''s tables, step by committed step; the old definitions are kept. dry_run only says the statements, as notices. Raises DP003, with nothing changed, if rows have lost the row they reference. Can be called again after an interruption. Locks: SHARE ROW EXCLUSIVE on both tables of a key to add one, SHARE UPDATE EXCLUSIVE to validate it, ACCESS EXCLUSIVE to drop the old one, each but the second briefly.';
