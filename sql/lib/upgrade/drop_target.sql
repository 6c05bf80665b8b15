CREATE OR REPLACE FUNCTION dbperf.drop_target(target regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND drop_target.target IN (b.source, b.target))
       OR EXISTS (SELECT FROM dbperf.trading_table AS t WHERE t.relation = drop_target.target) THEN
        RAISE EXCEPTION '% is in use', drop_target.target USING ERRCODE = 'DP002', HINT = 'Abort its rebuild first.';
    END IF;
    DELETE FROM dbperf.partition_policy AS p WHERE p.relation = drop_target.target;
    DELETE FROM dbperf.closed_partition AS c WHERE c.relation = drop_target.target;
    EXECUTE pg_catalog.format('DROP TABLE %s', drop_target.target);
END
$$;

COMMENT ON FUNCTION dbperf.drop_target(regclass) IS
    'Drops the target of a rebuild that was aborted, a copy, with its policy. Locks: ACCESS EXCLUSIVE on it and on the tables that it references.';
