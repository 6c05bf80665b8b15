CREATE OR REPLACE FUNCTION dbperf.meet_deleted_key()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_index record;
    v_place text;
    v_deleted boolean;
    v_batch bigint;
BEGIN
    PERFORM pg_catalog.set_config('dbperf.inserting', TG_RELID::text, true); -- for update_deleted(), until end_insert()
    FOR v_index IN
        SELECT dbperf.unique_meeting(i.indexrelid, '$1') AS condition, i.indexrelid::regclass AS index
        FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = TG_RELID AND i.indisunique AND i.indislive
        ORDER BY i.indexrelid
    LOOP
        -- the lock waits for whoever is deleting the row now, and for the upsert that would meet it after us
        EXECUTE pg_catalog.format(
            'SELECT t.ctid::text, t.deleted_at IS NOT NULL, t.deleted_batch FROM %s AS t WHERE %s FOR NO KEY UPDATE',
            TG_RELID::regclass, v_index.condition
        ) INTO v_place, v_deleted, v_batch USING NEW;
        CONTINUE WHEN v_deleted IS NOT TRUE;

        IF TG_ARGV[0] = 'revive' THEN
            -- not here: DO UPDATE may not update a row that its own command has updated
            PERFORM dbperf.refuse_marked_parents(TG_RELID, pg_catalog.format('r.ctid = %L', v_place), NULL);
            INSERT INTO dbperf.delete_queue (xid, relation, place, revives) VALUES (pg_catalog.pg_current_xact_id(), TG_RELID, v_place::tid, true);
        ELSE
            RAISE EXCEPTION 'a deleted row of % has this key already', TG_RELID::regclass
                USING ERRCODE = 'unique_violation',
                      DETAIL = pg_catalog.format('Unique index %s; the row was deleted in batch %s.', v_index.index, v_batch),
                      HINT = pg_catalog.format('Bring it back with dbperf.undelete(%s), or enable soft delete with on_deleted_key => ''revive''.', v_batch);
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION dbperf.meet_deleted_key() IS
    'Trigger, BEFORE INSERT FOR EACH ROW, not on hot tables: an INSERT, upserts included, that meets a unique key of a deleted row is refused (23505), or queues the row to be revived, by the trigger''s argument; else ON CONFLICT would update a row that stays hidden. Locks: ROW SHARE on the table, FOR NO KEY UPDATE on the row that has the key.';

REVOKE EXECUTE ON FUNCTION dbperf.meet_deleted_key() FROM PUBLIC;
