CREATE OR REPLACE FUNCTION dbperf.settle_range(statement text, counter regclass, low bigint DEFAULT NULL, high bigint DEFAULT NULL, turn bigint DEFAULT NULL, OUT stored bigint, OUT updated bigint)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_before bigint;
BEGIN
    IF settle_range.counter IS NULL THEN
        EXECUTE settle_range.statement INTO stored, updated USING settle_range.low, settle_range.high, settle_range.turn;
        PERFORM pg_catalog.set_config('dbperf.met', '', true); -- the next statement is to meet its own
    ELSE
        v_before := pg_catalog.nextval(settle_range.counter);
        EXECUTE settle_range.statement USING settle_range.low, settle_range.high, settle_range.turn;
        GET DIAGNOSTICS stored = ROW_COUNT;
        updated := pg_catalog.nextval(settle_range.counter) - v_before - 1;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.settle_range(text, regclass, bigint, bigint, bigint) IS
    'Runs a statement of dbperf.settling_statement(), with low, high and turn as its $1, $2 and $3: how many rows it has stored, and how many of these were there before. Locks: ROW EXCLUSIVE on the table, FOR UPDATE on the rows that it updates.';
