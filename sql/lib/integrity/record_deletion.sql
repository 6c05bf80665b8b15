CREATE OR REPLACE FUNCTION dbperf.record_deletion()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    -- clearing marks is an UPDATE of the same columns
    IF NOT EXISTS (
        SELECT FROM dbperf.delete_ticket AS t
        WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.purpose = 'undelete'
          AND t.relation = coalesce(pg_catalog.pg_partition_root(TG_RELID), TG_RELID)
    ) THEN
        PERFORM dbperf.note_deletion(TG_RELID);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.record_deletion() IS
    'Trigger, AFTER UPDATE OF the marks FOR EACH STATEMENT: records who set them, whoever it was. Locks: none.';

REVOKE EXECUTE ON FUNCTION dbperf.record_deletion() FROM PUBLIC;
