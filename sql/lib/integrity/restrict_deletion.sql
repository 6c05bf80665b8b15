CREATE OR REPLACE FUNCTION dbperf.restrict_deletion()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy that hid a row of another table would make it an orphan
AS $$
DECLARE
    -- CASE, because of two equalities the planner expects that they leave hardly a row, and joins accordingly
    v_rows CONSTANT text := '(SELECT * FROM updated_rows WHERE CASE WHEN deleted_at = pg_catalog.transaction_timestamp() THEN deleted_batch = $1 END)';
    v_cascades CONSTANT boolean := coalesce(pg_catalog.current_setting('dbperf.cascade', true), '') = 'on';
    v_key record;
    v_is_met boolean;
BEGIN
    PERFORM FROM updated_rows AS r
    WHERE r.deleted_at = pg_catalog.transaction_timestamp() AND r.deleted_batch = pg_catalog.pg_current_xact_id_if_assigned()::text::bigint;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM dbperf.refuse_older_snapshot(TG_RELID);

    -- An INSERT that references a row holds FOR KEY SHARE on it, for which an UPDATE does not wait: this lock does,
    -- and what was committed meanwhile, the next statement sees.
    FOR v_key IN SELECT k.lock FROM dbperf.live_children(TG_RELID, v_rows) AS k LOOP
        EXECUTE v_key.lock USING dbperf.current_batch();
    END LOOP;
    PERFORM dbperf.note_deletion(TG_RELID, v_cascades);
    IF v_cascades THEN -- anybody can set that; the note is checked at the latest when the transaction commits
        RETURN NULL;
    END IF;

    FOR v_key IN SELECT k.name, k.child, k.query FROM dbperf.live_children(TG_RELID, v_rows) AS k LOOP
        EXECUTE v_key.query INTO v_is_met USING dbperf.current_batch();
        IF v_is_met THEN
            PERFORM dbperf.refuse_live_children(TG_RELID, v_key.name, v_key.child);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.restrict_deletion() IS
    'Trigger, AFTER UPDATE FOR EACH STATEMENT of a table that others reference: records who set marks, and refuses marked rows (23503) while live rows reference them, as RESTRICT would; at any level above READ COMMITTED (0A000). Within soft_delete() with cascade the refusal waits for its end. Locks: FOR UPDATE on the marked rows, ACCESS SHARE on the tables that reference them.';

REVOKE EXECUTE ON FUNCTION dbperf.restrict_deletion() FROM PUBLIC;
