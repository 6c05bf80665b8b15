CREATE OR REPLACE FUNCTION dbperf.backfill_step(leaf regclass, statement text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_message text;
    v_detail text;
    v_rows text;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(pg_catalog.format('dbperf backfill %s', backfill_step.leaf::oid), 0));
    IF NOT EXISTS (SELECT FROM dbperf.backfill_work(backfill_step.leaf) AS w WHERE w.statement = backfill_step.statement) THEN
        RETURN; -- somebody else who finishes it has done this
    END IF;
    EXECUTE backfill_step.statement;
EXCEPTION
    WHEN unique_violation OR foreign_key_violation OR exclusion_violation THEN
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
        SELECT pg_catalog.string_agg(pg_catalog.format('%s (%s): %s', f.fault, f.name, f.row_key), '; ') INTO v_rows
        FROM (SELECT x.* FROM dbperf.backfill_faults(backfill_step.leaf) AS x LIMIT 5) AS f;
        RAISE EXCEPTION '% cannot become a partition: %', backfill_step.leaf, v_message
            USING ERRCODE = SQLSTATE, DETAIL = pg_catalog.concat_ws('; ', nullif(pg_catalog.rtrim(v_detail, '.'), ''), v_rows),
                  HINT = pg_catalog.format(
                      'Nobody sees it. SELECT * FROM dbperf.backfill_faults(%1$L) lists such rows; mend them there, and CALL dbperf.backfill_finish(%1$L) again, or give up with dbperf.backfill_abort().', backfill_step.leaf);
    WHEN datatype_mismatch THEN
        RAISE EXCEPTION '% cannot become a partition: %', backfill_step.leaf, SQLERRM
            USING ERRCODE = SQLSTATE,
                  HINT = pg_catalog.format(
                      'The table was changed since the backfill began. Change %s likewise with ALTER TABLE, and CALL dbperf.backfill_finish(%L) again, or give up with dbperf.backfill_abort().',
                      (SELECT b.load_table FROM dbperf.backfill AS b WHERE b.leaf = backfill_step.leaf AND b.ended_at IS NULL), backfill_step.leaf);
END
$$;

COMMENT ON FUNCTION dbperf.backfill_step(regclass, text) IS
    'Runs one statement of dbperf.backfill_work(); raises what is wrong with the rows by naming some, and the remedy. Locks: as the statement.';
