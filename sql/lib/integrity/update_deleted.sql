CREATE OR REPLACE FUNCTION dbperf.update_deleted()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy that hid a row of another table would make it an orphan
AS $$
BEGIN
    -- What meet_deleted_key() has said: this UPDATE is the end of an INSERT ... ON CONFLICT. Whoever sets it himself
    -- is refused an UPDATE that he could have had.
    IF coalesce(pg_catalog.current_setting('dbperf.inserting', true), '') <> TG_RELID::text THEN
        RETURN NEW;
    END IF;
    IF TG_ARGV[0] = 'revive' THEN
        DELETE FROM dbperf.delete_queue AS q
        WHERE q.xid = pg_catalog.pg_current_xact_id() AND q.relation = TG_RELID AND q.place = OLD.ctid AND q.revives;
        IF NOT FOUND THEN -- it was deleted after meet_deleted_key() had looked
            RAISE EXCEPTION 'a row of % was deleted while an INSERT waited for it', TG_RELID::regclass
                USING ERRCODE = 'serialization_failure', HINT = 'Run it again.';
        END IF;
        NEW.deleted_at := NULL;
        NEW.deleted_batch := NULL;
        PERFORM dbperf.refuse_deleted_parents(TG_RELID, NEW);
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a deleted row of % has this key already', TG_RELID::regclass
        USING ERRCODE = 'unique_violation',
              DETAIL = pg_catalog.format('It was deleted in batch %s.', OLD.deleted_batch),
              HINT = pg_catalog.format('Bring it back with dbperf.undelete(%s), or enable soft delete with on_deleted_key => ''revive''.', OLD.deleted_batch);
END
$$;

COMMENT ON FUNCTION dbperf.update_deleted() IS
    'Trigger, BEFORE UPDATE FOR EACH ROW of a deleted row, not on hot tables: an upsert that has met it is refused (23505), or clears its marks, by the trigger''s argument; else it would update a row that stays hidden. Any other UPDATE passes. Locks: FOR SHARE on the rows that a revived one references.';

REVOKE EXECUTE ON FUNCTION dbperf.update_deleted() FROM PUBLIC;
