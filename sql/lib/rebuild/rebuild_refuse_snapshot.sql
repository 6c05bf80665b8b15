CREATE OR REPLACE FUNCTION dbperf.rebuild_refuse_snapshot()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    IF TG_ARGV[0] <> TG_RELID::text THEN -- restored from a dump: transactions have other numbers here
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% was exchanged after this transaction took its snapshot', TG_RELID::regclass
        USING ERRCODE = 'serialization_failure',
              DETAIL = 'It does not see the rows that the table holds now: an UPDATE would find none, and say so without an error.',
              HINT = 'Run the transaction again.';
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_refuse_snapshot() IS
    'Trigger, BEFORE INSERT, UPDATE, DELETE FOR EACH STATEMENT WHEN the snapshot is older than the swap: raises 40001, but in a database that was restored from a dump. The argument is the table''s oid. Locks: none.';
