CREATE OR REPLACE FUNCTION dbperf.note_deletion(relation regclass, cascades boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_batch CONSTANT bigint := dbperf.current_batch();
BEGIN
    -- a dump restored elsewhere brings the batches of another server, whose transactions had the same numbers
    IF EXISTS (SELECT FROM dbperf.deletion AS d WHERE d.batch = v_batch AND d.ordinal = 1 AND d.deleted_at <> pg_catalog.transaction_timestamp()) THEN
        RAISE EXCEPTION 'batch % exists already: it came here with a dump', v_batch
            USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again; it gets another number.';
    END IF;

    INSERT INTO dbperf.deletion (batch, ordinal, relation, deleted_at, deleted_by, acting_as, application, client, reason, cascades)
    SELECT v_batch,
           1 + coalesce(pg_catalog.max(d.ordinal), 0),
           coalesce(pg_catalog.pg_partition_root(note_deletion.relation), note_deletion.relation),
           pg_catalog.transaction_timestamp(),
           SESSION_USER,
           nullif(pg_catalog.current_setting('role'), 'none'),
           pg_catalog.current_setting('application_name'),
           pg_catalog.inet_client_addr(),
           nullif(pg_catalog.current_setting('dbperf.reason', true), ''),
           note_deletion.cascades
    FROM dbperf.deletion AS d
    WHERE d.batch = v_batch;
END
$$;

COMMENT ON FUNCTION dbperf.note_deletion(regclass, boolean) IS
    'Records one statement of this transaction that marks rows of the table: who, when, from which application, why, and whether what references the rows goes with them, which is then checked when all is marked. For the triggers of soft delete. Locks: none.';

REVOKE EXECUTE ON FUNCTION dbperf.note_deletion(regclass, boolean) FROM PUBLIC;
