CREATE OR REPLACE PROCEDURE dbperf.purge(
    relation regclass, older_than interval, batch_size integer DEFAULT 10000, dry_run boolean DEFAULT false, INOUT purged bigint DEFAULT 0
)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_cutoff CONSTANT timestamp with time zone := pg_catalog.transaction_timestamp() OPERATOR(pg_catalog.-) purge.older_than;
    v_rows bigint;
    v_left bigint;
BEGIN
    IF NOT pg_catalog.has_function_privilege('dbperf.purge_batch(regclass, timestamp with time zone, integer)', 'EXECUTE') THEN
        RAISE EXCEPTION 'role % may not purge', CURRENT_USER
            USING ERRCODE = 'insufficient_privilege', HINT = 'GRANT EXECUTE ON FUNCTION dbperf.purge_batch TO the role that may.';
    END IF;
    IF v_cutoff IS NULL OR v_cutoff OPERATOR(pg_catalog.>) pg_catalog.transaction_timestamp() OR purge.relation IS NULL THEN
        RAISE EXCEPTION 'purge needs a table and an age that is not negative'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'For instance: CALL dbperf.purge(''market_data'', ''90 days'').';
    END IF;

    purged := 0;
    IF purge.dry_run THEN
        purged := dbperf.purgeable_rows(purge.relation, v_cutoff);
        RETURN;
    END IF;
    LOOP
        v_rows := dbperf.purge_batch(purge.relation, v_cutoff, purge.batch_size);
        COMMIT;
        EXIT WHEN v_rows OPERATOR(pg_catalog.=) 0;
        purged := purged OPERATOR(pg_catalog.+) v_rows;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.purge(regclass, interval, integer, boolean, bigint) IS
    'Erases rows that were deleted longer ago than older_than, in committed batches; the only hard delete. Rows that any row references stay. dry_run only counts. Returns how many. Needs EXECUTE on dbperf.purge_batch. Locks: ROW EXCLUSIVE on the table.';
