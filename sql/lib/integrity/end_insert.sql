CREATE OR REPLACE FUNCTION dbperf.end_insert()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_met record;
BEGIN
    PERFORM pg_catalog.set_config('dbperf.inserting', '', true);
    FOR v_met IN -- DO NOTHING has left them
        DELETE FROM dbperf.delete_queue AS q
        WHERE q.xid = pg_catalog.pg_current_xact_id_if_assigned() AND q.revives AND q.relation IN (SELECT t.relation FROM dbperf.table_tree(TG_RELID) AS t (relation))
        RETURNING q.relation::regclass AS relation, q.place
    LOOP
        PERFORM dbperf.clear_marks(v_met.relation, pg_catalog.format('r.ctid = %L', v_met.place));
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.end_insert() IS
    'Trigger, AFTER INSERT FOR EACH STATEMENT, not on hot tables: brings back the rows whose key an INSERT ... ON CONFLICT DO NOTHING has met, where INSERT revives. Locks: ROW EXCLUSIVE on the table.';

REVOKE EXECUTE ON FUNCTION dbperf.end_insert() FROM PUBLIC;
