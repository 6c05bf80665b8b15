CREATE OR REPLACE FUNCTION dbperf.claim_batch(batch_id text, relation regclass, content_hash text)
RETURNS TABLE (stored_hash text, rows bigint, inserted bigint, updated bigint, ignored bigint, quarantined bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_target CONSTANT text := dbperf.target_name(claim_batch.relation);
    v_stored record;
BEGIN
    INSERT INTO dbperf.batch_ledger (batch_id, target, content_hash) VALUES (claim_batch.batch_id, v_target, claim_batch.content_hash) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN;
    END IF;

    SELECT l.* INTO v_stored FROM dbperf.batch_ledger AS l WHERE l.batch_id = claim_batch.batch_id;
    IF NOT FOUND THEN -- an older snapshot than the other one's commit, or it was deleted since
        RAISE EXCEPTION 'batch % was stored by a transaction that this one does not see', claim_batch.batch_id
            USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
    ELSIF v_stored.target <> v_target THEN
        RAISE EXCEPTION 'batch % was stored before, for another table', claim_batch.batch_id
            USING ERRCODE = 'DP007', DETAIL = pg_catalog.format('It was for %s, and now for %s.', v_stored.target, v_target),
                  HINT = 'Give this batch another id.';
    END IF;
    RETURN QUERY SELECT v_stored.content_hash, v_stored.rows, v_stored.inserted, v_stored.updated, v_stored.ignored, v_stored.quarantined;
END
$$;

COMMENT ON FUNCTION dbperf.claim_batch(text, regclass, text) IS
    'Writes the batch into dbperf.batch_ledger: no row if it was not there, else what the ledger says about it. Waits for a transaction that is storing it. Raises DP007 if it was for another table. Locks: ROW EXCLUSIVE on dbperf.batch_ledger.';
