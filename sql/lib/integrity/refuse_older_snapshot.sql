CREATE OR REPLACE FUNCTION dbperf.refuse_older_snapshot(relation regclass)
RETURNS void
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'rows of %, which other tables reference, can only be deleted at READ COMMITTED', refuse_older_snapshot.relation
            USING ERRCODE = 'feature_not_supported',
                  DETAIL = 'This transaction''s snapshot may be older than a row that references them.',
                  HINT = 'Delete in a transaction of its own: BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_older_snapshot(regclass) IS
    'Raises 0A000 above READ COMMITTED, where a child that was committed meanwhile cannot be seen. Locks: none.';
