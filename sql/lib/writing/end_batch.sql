CREATE OR REPLACE FUNCTION dbperf.end_batch(batch_id text, content_hash text, inserted bigint, updated bigint DEFAULT 0, ignored bigint DEFAULT 0, quarantined bigint DEFAULT 0)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE dbperf.batch_ledger AS l
    SET content_hash = end_batch.content_hash, inserted = end_batch.inserted, updated = end_batch.updated,
        ignored = end_batch.ignored, quarantined = end_batch.quarantined,
        rows = end_batch.inserted + end_batch.updated + end_batch.ignored + end_batch.quarantined
    WHERE l.batch_id = end_batch.batch_id AND l.rows IS NULL;
    IF NOT FOUND AND NOT EXISTS ( -- of a batch in pieces, somebody else may have stored the last one
        SELECT FROM dbperf.batch_ledger AS l WHERE l.batch_id = end_batch.batch_id AND l.content_hash = end_batch.content_hash
    ) THEN
        RAISE EXCEPTION 'batch % was not begun', end_batch.batch_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call dbperf.begin_batch() first, in the same transaction.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.end_batch(text, text, bigint, bigint, bigint, bigint) IS
    'Last statement of the transaction that stores a batch: what it held and what became of its rows. Locks: ROW EXCLUSIVE on dbperf.batch_ledger.';
