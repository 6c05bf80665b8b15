CREATE OR REPLACE FUNCTION dbperf.refuse_partition_policies()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_left CONSTANT text := (SELECT pg_catalog.string_agg(p.relation::text, ', ') FROM dbperf.partition_policy AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.relation);
BEGIN
    IF v_left IS NOT NULL THEN
        RAISE EXCEPTION 'tables still have a partition policy: %', v_left
            USING ERRCODE = 'DP002', HINT = 'Nothing would make their partitions any more: arrange for that, DELETE FROM dbperf.partition_policy, then roll back again.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_partition_policies() IS 'Raises DP002 while a table has a partition policy, which a rollback would forget. Locks: none.';
