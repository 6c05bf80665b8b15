CREATE OR REPLACE FUNCTION dbperf.queue_deletion()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_catalog.pg_partition_root(TG_RELID) IS NOT NULL THEN -- an UPDATE that moves the row deletes it here: it would not arrive
        RAISE EXCEPTION '% became a partition after soft delete was enabled on it', TG_RELID::regclass
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = pg_catalog.format('SELECT dbperf.enable_soft_delete(%L).', pg_catalog.pg_partition_root(TG_RELID)::text);
    END IF;
    IF OLD.deleted_at IS NOT NULL THEN
        IF EXISTS (
            SELECT FROM dbperf.delete_ticket AS t
            WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = TG_RELID AND t.purpose = 'remove' AND OLD.deleted_at <= t.cutoff
        ) THEN
            RETURN OLD; -- really removed
        END IF;
        RETURN NULL; -- it keeps its first mark
    END IF;

    -- The statement has locked the row. To update it from here would be eight times slower, and would
    -- fail where a DELETE ... USING meets a row twice.
    INSERT INTO dbperf.delete_queue (xid, relation, place) VALUES (pg_catalog.pg_current_xact_id(), TG_RELID, OLD.ctid);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.queue_deletion() IS
    'Trigger, BEFORE DELETE FOR EACH ROW of an ordinary table: keeps the row and queues it to be marked; lets it go only by a ticket. Locks: none.';

REVOKE EXECUTE ON FUNCTION dbperf.queue_deletion() FROM PUBLIC;
