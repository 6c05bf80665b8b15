CREATE OR REPLACE FUNCTION dbperf.mark_deleted()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_places tid[];
    v_rows bigint := 0;
BEGIN
    WITH queued AS (
        DELETE FROM dbperf.delete_queue AS q
        WHERE q.xid = pg_catalog.pg_current_xact_id() AND q.relation = TG_RELID AND NOT q.revives
        RETURNING q.place
    )
    SELECT pg_catalog.array_agg(q.place) INTO v_places FROM queued AS q;

    IF v_places IS NOT NULL THEN
        EXECUTE pg_catalog.format(
            'UPDATE ONLY %s SET deleted_at = pg_catalog.transaction_timestamp(), deleted_batch = $2 WHERE ctid = ANY ($1) AND deleted_at IS NULL',
            TG_RELID::regclass
        ) USING v_places, dbperf.current_batch();
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        IF v_rows < (SELECT pg_catalog.count(DISTINCT p) FROM pg_catalog.unnest(v_places) AS p) THEN
            RAISE EXCEPTION 'something on % keeps rows from being marked', TG_RELID::regclass
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = 'Look for triggers on its UPDATE that return NULL.';
        END IF;
    END IF;
    PERFORM pg_catalog.set_config('dbperf.deleted_rows', v_rows::text, false); -- for the session: most DELETEs are a transaction of their own
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.mark_deleted() IS
    'Trigger, AFTER DELETE FOR EACH STATEMENT of an ordinary table: marks the rows that the statement met, and says how many in the setting dbperf.deleted_rows, because the DELETE itself reports 0. Locks: ROW EXCLUSIVE on the table.';

REVOKE EXECUTE ON FUNCTION dbperf.mark_deleted() FROM PUBLIC;
