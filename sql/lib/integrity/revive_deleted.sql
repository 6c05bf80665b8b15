CREATE OR REPLACE FUNCTION dbperf.revive_deleted()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    v_met record;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM dbperf.delete_queue AS q
        WHERE q.xid = pg_catalog.pg_current_xact_id() AND q.relation = TG_RELID AND q.place = OLD.ctid AND q.revives;
        IF FOUND THEN
            NEW.deleted_at := NULL;
            NEW.deleted_batch := NULL;
        END IF;
        RETURN NEW;
    END IF;

    FOR v_met IN -- DO NOTHING has left them
        DELETE FROM dbperf.delete_queue AS q
        WHERE q.xid = pg_catalog.pg_current_xact_id() AND q.revives AND q.relation IN (SELECT t.relation FROM dbperf.table_tree(TG_RELID) AS t (relation))
        RETURNING q.relation::regclass AS relation, q.place
    LOOP
        PERFORM dbperf.clear_marks(v_met.relation, pg_catalog.format('r.ctid = %L', v_met.place));
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.revive_deleted() IS
    'Trigger, BEFORE UPDATE FOR EACH ROW of a deleted row and AFTER INSERT FOR EACH STATEMENT, where INSERT revives: clears the marks of rows whose key the INSERT has met, and of no other. Locks: ROW EXCLUSIVE on the table.';

REVOKE EXECUTE ON FUNCTION dbperf.revive_deleted() FROM PUBLIC;
