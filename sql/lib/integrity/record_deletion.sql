CREATE OR REPLACE FUNCTION dbperf.record_deletion()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    v_marks boolean := true;
BEGIN
    -- an UPDATE that names the columns need not change them: an ORM may name all. Without the index it costs less
    -- to record one too many than to look.
    IF dbperf.deleted_index(TG_RELID) IS NOT NULL THEN
        EXECUTE pg_catalog.format(
            'SELECT EXISTS (SELECT FROM %s WHERE deleted_at = pg_catalog.transaction_timestamp() AND deleted_batch = $1)', TG_RELID::regclass
        ) INTO v_marks USING pg_catalog.pg_current_xact_id_if_assigned()::text::bigint;
    END IF;
    IF v_marks AND NOT EXISTS ( -- clearing marks is an UPDATE of the same columns
        SELECT FROM dbperf.delete_ticket AS t
        WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.purpose = 'undelete'
          AND t.relation = coalesce(pg_catalog.pg_partition_root(TG_RELID), TG_RELID)
    ) THEN
        PERFORM dbperf.note_deletion(TG_RELID, false);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.record_deletion() IS
    'Trigger, AFTER UPDATE OF the marks FOR EACH STATEMENT of a table that no other references: records who set them, whoever it was. Locks: ACCESS SHARE on the table.';

REVOKE EXECUTE ON FUNCTION dbperf.record_deletion() FROM PUBLIC;
