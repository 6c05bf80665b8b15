CREATE OR REPLACE FUNCTION dbperf.backfill_abort(leaf regclass, discard_rows boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET row_security = off
AS $$
DECLARE
    v_found boolean;
    v_reason text;
BEGIN
    PERFORM dbperf.backfill_hold(backfill_abort.leaf);
    IF NOT EXISTS (SELECT FROM dbperf.backfill AS b WHERE b.leaf = backfill_abort.leaf AND b.ended_at IS NULL) THEN
        RAISE EXCEPTION '% is not being filled', backfill_abort.leaf
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'dbperf.backfill_progress lists what is; a partition is dropped otherwise.';
    END IF;
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s)', backfill_abort.leaf) INTO v_found;
    IF v_found AND NOT backfill_abort.discard_rows THEN
        RAISE EXCEPTION '% holds rows', backfill_abort.leaf
            USING ERRCODE = 'DP002', HINT = pg_catalog.format('CALL dbperf.backfill_finish(%1$L) keeps them, SELECT dbperf.backfill_abort(%1$L, discard_rows => true) does not.', backfill_abort.leaf);
    END IF;
    PERFORM dbperf.backfill_end(backfill_abort.leaf, 'aborted');
    v_reason := dbperf.rebuild_try_lock(ARRAY(
        SELECT DISTINCT k.confrelid::regclass FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = backfill_abort.leaf AND k.contype = 'f' AND k.conparentid = 0 AND pg_catalog.has_table_privilege(k.confrelid, 'UPDATE') ORDER BY 1
    ), 'ACCESS EXCLUSIVE');
    IF v_reason IS NOT NULL THEN
        RAISE EXCEPTION '% cannot be dropped now', backfill_abort.leaf USING ERRCODE = 'lock_not_available', DETAIL = v_reason, HINT = 'Call this again.';
    END IF;
    EXECUTE pg_catalog.format('DROP TABLE %s', backfill_abort.leaf);
END
$$;

COMMENT ON FUNCTION dbperf.backfill_abort(regclass, boolean) IS
    'Drops a table that was being filled; raises DP002 if it holds rows, unless they are to be discarded. For a transaction of its own. Locks: ACCESS EXCLUSIVE on it and the load table, and on tables that it references if it has their keys already, waited for 50 ms (55P03).';
