CREATE OR REPLACE FUNCTION dbperf.drain_check(relation regclass, part regclass, check_id oid)
RETURNS void
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_partitioned_table AS t WHERE t.partrelid = drain_check.relation AND t.partdefid = drain_check.part
    ) OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k WHERE k.oid = drain_check.check_id AND k.conrelid = drain_check.part
    ) THEN
        RAISE EXCEPTION 'somebody else drains %', drain_check.relation
            USING ERRCODE = 'lock_not_available', HINT = 'Let it come to its end; call this again if it does not.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.drain_check(regclass, regclass, oid) IS
    'Raises 55P03 if the DEFAULT partition is not as this drain left it. Locks: none.';
