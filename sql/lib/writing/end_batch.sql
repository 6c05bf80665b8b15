CREATE OR REPLACE FUNCTION dbperf.end_batch(batch_id text, content_hash text, inserted bigint, updated bigint DEFAULT 0, ignored bigint DEFAULT 0, quarantined bigint DEFAULT 0, in_pieces boolean DEFAULT false)
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
    IF NOT FOUND AND NOT (end_batch.in_pieces AND EXISTS ( -- somebody else may have stored the last one
        SELECT FROM dbperf.batch_ledger AS l WHERE l.batch_id = end_batch.batch_id AND l.content_hash = end_batch.content_hash
    )) THEN
        RAISE EXCEPTION 'batch % was not begun by this transaction', end_batch.batch_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call dbperf.begin_batch() first, and ROLLBACK if it returns a row: the batch is stored already.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.end_batch(text, text, bigint, bigint, bigint, bigint, boolean) IS
    'Last statement of the transaction that stores a batch: what it held and what became of its rows. Raises 55000 if it was stored before: then nothing of it is to be stored again. In pieces: of a batch that dbperf.split_batch() began, which another session may have ended. Locks: ROW EXCLUSIVE on dbperf.batch_ledger.';
