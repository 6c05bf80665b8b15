CREATE OR REPLACE FUNCTION dbperf.forget_trading_tables()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy must not make a table look empty: the server raises instead
AS $$
DECLARE
    v_table record;
    v_made text[] := '{}';
    v_has_rows boolean;
BEGIN
    FOR v_table IN
        SELECT t.relation
        FROM dbperf.trading_table AS t
        JOIN pg_catalog.pg_class AS c ON c.oid = t.relation -- one that somebody dropped is forgotten
        WHERE NOT t.adopted
        ORDER BY t.name
    LOOP
        EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', v_table.relation);
        EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s)', v_table.relation) INTO v_has_rows;
        IF v_has_rows THEN
            RAISE EXCEPTION 'table % holds rows, and no rollback of dbperf drops a row', v_table.relation
                USING ERRCODE = 'DP002', HINT = 'Move its rows elsewhere first, or roll back only to 0002.';
        END IF;
        v_made := v_made || v_table.relation::text;
    END LOOP;

    IF v_made <> '{}' THEN
        EXECUTE 'DROP TABLE ' || pg_catalog.array_to_string(v_made, ', ');
    END IF;
    DELETE FROM dbperf.trading_table;
END
$$;

COMMENT ON FUNCTION dbperf.forget_trading_tables() IS
    'Forgets adopted tables and leaves them as they are; drops tables that dbperf made, raising DP002 if one holds a row. Locks: ACCESS EXCLUSIVE on the tables that dbperf made.';
