CREATE OR REPLACE FUNCTION dbperf.begin_batch(batch_id text, relation regclass)
RETURNS TABLE (content_hash text, inserted bigint, updated bigint, ignored bigint, quarantined bigint)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_stored record;
BEGIN
    -- First of all: a transaction whose COMMIT was sent and never answered may still be at it, and this waits for it.
    SELECT c.* INTO v_stored FROM dbperf.claim_batch(begin_batch.batch_id, begin_batch.relation, NULL) AS c;
    IF NOT FOUND THEN
        RETURN;
    ELSIF v_stored.rows IS NULL AND v_stored.stored_hash IS NOT NULL THEN
        RAISE EXCEPTION 'batch % was begun in pieces and not ended', begin_batch.batch_id
            USING ERRCODE = 'DP007', DETAIL = pg_catalog.format('It was begun with %s.', v_stored.stored_hash), HINT = 'Write it in the same way as then, or DELETE its row from dbperf.batch_ledger if no piece of it is there.';
    ELSIF v_stored.rows IS NULL THEN
        RAISE EXCEPTION 'batch % was begun and not ended', begin_batch.batch_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call dbperf.end_batch() in the transaction that begins it; if one was committed without, DELETE it from dbperf.batch_ledger when you know what it stored.';
    END IF;
    RETURN QUERY SELECT v_stored.stored_hash, v_stored.inserted, v_stored.updated, v_stored.ignored, v_stored.quarantined;
END
$$;

COMMENT ON FUNCTION dbperf.begin_batch(text, regclass) IS
    'First statement of the transaction that stores a batch: no row if it is new; if it was stored before, what the ledger says about it, and nothing may be stored now. Waits for a transaction that is storing it. Raises DP007 if it was for another table. Locks: ROW EXCLUSIVE on dbperf.batch_ledger.';
