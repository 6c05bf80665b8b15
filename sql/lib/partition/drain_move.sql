CREATE OR REPLACE FUNCTION dbperf.drain_move(
    relation regclass, part regclass, lower timestamp without time zone, upper timestamp without time zone, OUT leaf regclass, OUT rows bigint
)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    v_key name;
    v_encoding text;
    v_columns text;
    v_range text;
    v_name text;
BEGIN
    SELECT k.column_name, k.encoding INTO v_key, v_encoding FROM dbperf.partition_key(drain_move.relation) AS k;
    v_range := pg_catalog.format(
        '%1$I IS NOT NULL AND %1$I >= %2$L AND %1$I < %3$L', v_key,
        dbperf.partition_value(v_encoding, drain_move.lower), dbperf.partition_value(v_encoding, drain_move.upper)
    );
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = drain_move.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';

    -- with its indexes and a CHECK: ATTACH then neither builds nor reads
    v_name := dbperf.partition_name(drain_move.relation, drain_move.lower, drain_move.upper);
    EXECUTE pg_catalog.format(
        'CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY, CONSTRAINT dbperf_drain CHECK (%s))', v_name, drain_move.relation, v_range
    );
    leaf := v_name::regclass;
    -- the trigger of soft delete would put the rows back
    INSERT INTO dbperf.delete_ticket (xid, relation, purpose) VALUES (pg_catalog.pg_current_xact_id(), drain_move.part, 'move');
    EXECUTE pg_catalog.format(
        'WITH moved AS (DELETE FROM %1$s WHERE %2$s RETURNING %3$s) INSERT INTO %4$s (%3$s) SELECT %3$s FROM moved',
        drain_move.part, v_range, v_columns, leaf
    );
    GET DIAGNOSTICS rows = ROW_COUNT;
    DELETE FROM dbperf.delete_ticket AS t
    WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = drain_move.part AND t.purpose = 'move';
    PERFORM dbperf.prepare_partition(drain_move.relation, leaf, true); -- now: its triggers are not for rows that only move
END
$$;

COMMENT ON FUNCTION dbperf.drain_move(regclass, regclass, timestamp, timestamp) IS
    'Moves the rows of one interval from the DEFAULT partition into a new table that can be attached at once; nobody else sees that until the transaction ends. Locks: ROW EXCLUSIVE on the DEFAULT partition.';
