CREATE OR REPLACE FUNCTION dbperf.keep_deleted()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy that hid a row of another table would make it an orphan
AS $$
DECLARE
    v_cutoff timestamp with time zone;
    v_columns text;
    v_key record;
    v_is_met boolean;
    v_marks boolean; -- whether a row was still alive
    v_kept bigint;
    v_put_back bigint;
BEGIN
    PERFORM FROM removed_rows LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    IF EXISTS (
        SELECT FROM dbperf.delete_ticket AS t
        WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = TG_RELID AND t.purpose = 'move'
    ) THEN -- another partition has them already
        RETURN NULL;
    END IF;
    SELECT t.cutoff INTO v_cutoff
    FROM dbperf.delete_ticket AS t
    WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = TG_RELID AND t.purpose = 'remove';

    v_marks := EXISTS (SELECT FROM removed_rows AS r WHERE r.deleted_at IS NULL);
    IF v_marks THEN
        PERFORM dbperf.note_deletion(TG_RELID, false);
    END IF;

    v_kept := (SELECT pg_catalog.count(*) FROM removed_rows AS r WHERE v_cutoff IS NULL OR r.deleted_at IS NULL OR r.deleted_at > v_cutoff);
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      AND a.attname NOT IN ('deleted_at', 'deleted_batch');

    EXECUTE pg_catalog.format(
        'INSERT INTO %s (%2$s, deleted_at, deleted_batch) OVERRIDING SYSTEM VALUE '
        'SELECT %2$s, coalesce(deleted_at, pg_catalog.transaction_timestamp()), CASE WHEN deleted_at IS NULL THEN $2 ELSE deleted_batch END '
        'FROM removed_rows WHERE $1 IS NULL OR deleted_at IS NULL OR deleted_at > $1',
        TG_RELID::regclass, v_columns
    ) USING v_cutoff, dbperf.current_batch();
    GET DIAGNOSTICS v_put_back = ROW_COUNT;
    IF v_put_back <> v_kept THEN -- a trigger or rule that came after soft delete
        RAISE EXCEPTION 'something on % keeps deleted rows from being put back', TG_RELID::regclass
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = pg_catalog.format('%s rows were to be kept, %s were.', v_kept, v_put_back),
                  HINT = 'Look for triggers and rules on its INSERT; they have to let rows pass.';
    END IF;

    -- a foreign key is satisfied by the marked row: what RESTRICT would refuse is refused here
    FOR v_key IN
        SELECT k.name, k.child, k.query FROM dbperf.live_children(TG_RELID, '(SELECT * FROM removed_rows WHERE deleted_at IS NULL)') AS k WHERE v_marks
    LOOP
        PERFORM dbperf.refuse_older_snapshot(TG_RELID);
        EXECUTE v_key.query INTO v_is_met;
        IF v_is_met THEN
            PERFORM dbperf.refuse_live_children(TG_RELID, v_key.name, v_key.child);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.keep_deleted() IS
    'Trigger, AFTER DELETE FOR EACH STATEMENT of a partitioned table and of each partition: puts the removed rows back with their marks, except those that a ticket lets go, and refuses parents of live rows. Locks: ROW EXCLUSIVE on the table, ACCESS SHARE on those that reference it.';

REVOKE EXECUTE ON FUNCTION dbperf.keep_deleted() FROM PUBLIC;
