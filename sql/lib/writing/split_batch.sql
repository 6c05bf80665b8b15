CREATE OR REPLACE FUNCTION dbperf.split_batch(batch_id text, relation regclass, pieces text)
RETURNS TABLE (content_hash text, inserted bigint, updated bigint, ignored bigint, quarantined bigint)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_stored record;
BEGIN
    SELECT c.* INTO v_stored FROM dbperf.claim_batch(split_batch.batch_id, split_batch.relation, split_batch.pieces) AS c;
    IF NOT FOUND THEN
        RETURN;
    ELSIF v_stored.rows IS NOT NULL THEN
        RETURN QUERY SELECT v_stored.stored_hash, v_stored.inserted, v_stored.updated, v_stored.ignored, v_stored.quarantined;
    ELSIF v_stored.stored_hash IS DISTINCT FROM split_batch.pieces THEN
        RAISE EXCEPTION 'batch % was begun in other pieces and not ended', split_batch.batch_id
            USING ERRCODE = 'DP007', DETAIL = pg_catalog.format('It was begun with %s, and now with %s.', v_stored.stored_hash, split_batch.pieces),
                  HINT = 'Write it in the same way as then, or DELETE its row from dbperf.batch_ledger if no piece of it is there.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.split_batch(text, regclass, text) IS
    'Before the first piece of a batch that is stored in several transactions, each a batch of its own; commit it, and call dbperf.end_batch() after the last piece. No row if the batch is new or stored in part, in such pieces; else what the ledger says about it. Raises DP007 if it was for another table, or is stored in part in other pieces. Locks: ROW EXCLUSIVE on dbperf.batch_ledger.';
