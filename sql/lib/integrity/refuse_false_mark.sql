CREATE OR REPLACE FUNCTION dbperf.refuse_false_mark()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.deleted_at IS NULL AND NEW.deleted_batch IS NULL AND EXISTS (
        SELECT FROM dbperf.delete_ticket AS t
        WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.purpose = 'undelete'
          AND t.relation = coalesce(pg_catalog.pg_partition_root(TG_RELID), TG_RELID)
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'deleted_at and deleted_batch of % are not set by hand', TG_RELID::regclass
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'DELETE and dbperf.soft_delete() set them, dbperf.undelete() clears them.';
END
$$;

COMMENT ON FUNCTION dbperf.refuse_false_mark() IS
    'Trigger, BEFORE UPDATE OF the marks when they do not say this very transaction, and BEFORE INSERT of a row with marks: refuses it (42501) unless undelete() is at work. A mark that lied about its time would be purged too soon. Locks: none.';

REVOKE EXECUTE ON FUNCTION dbperf.refuse_false_mark() FROM PUBLIC;
