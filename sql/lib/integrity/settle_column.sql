CREATE OR REPLACE FUNCTION dbperf.settle_column(relation regclass, VARIADIC columns name[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_column name;
BEGIN
    FOREACH v_column IN ARRAY settle_column.columns LOOP
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = settle_column.relation AND a.attname = v_column AND a.attnum > 0 AND a.atttypid = 'numeric'::regtype
        ) THEN
            RAISE EXCEPTION '% has no numeric column %', settle_column.relation, pg_catalog.quote_ident(v_column)
                USING ERRCODE = 'undefined_column', HINT = 'Settled money is numeric.';
        END IF;
        INSERT INTO dbperf.settled_column (relation, column_name) VALUES (settle_column.relation, v_column)
        ON CONFLICT ON CONSTRAINT settled_column_pkey DO NOTHING;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.settle_column(regclass, name[]) IS
    'Marks numeric columns as settled money: dbperf.check_exact() then refuses another type for them. DELETE FROM dbperf.settled_column takes it back. Locks: none.';
