CREATE OR REPLACE FUNCTION dbperf.unpin_trading_tables()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table regclass;
BEGIN
    IF pg_catalog.to_regclass('dbperf.soft_delete_table') IS NULL THEN
        RETURN;
    END IF;
    FOR v_table IN
        SELECT s.relation FROM dbperf.soft_delete_table AS s
        JOIN dbperf.trading_table AS t ON t.relation = s.relation
        JOIN pg_catalog.pg_class AS c ON c.oid = s.relation
        ORDER BY (SELECT pg_catalog.count(*) FROM dbperf.inbound_keys(s.relation)) -- children first, as writers lock them
    LOOP
        PERFORM dbperf.drop_soft_delete_guards(v_table);
        PERFORM dbperf.drop_active_view(v_table);
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.unpin_trading_tables() IS
    'Drops triggers and views of soft delete from the trading tables and leaves rows, marks and records as they are: for the rehearsal of a rollback, which is undone. Locks: ACCESS EXCLUSIVE on the trading tables.';
