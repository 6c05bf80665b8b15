CREATE OR REPLACE FUNCTION dbperf.is_shadow(relation regclass)
RETURNS boolean
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_catalog.to_regclass('dbperf.rebuild') IS NULL THEN
        RETURN false;
    END IF;
    RETURN EXISTS (
        SELECT FROM dbperf.rebuild AS b
        WHERE b.ended_at IS NULL AND CASE b.state WHEN 'cut over' THEN b.source ELSE b.target END = coalesce(pg_catalog.pg_partition_root(is_shadow.relation), is_shadow.relation)
    );
END
$$;

COMMENT ON FUNCTION dbperf.is_shadow(regclass) IS
    'Whether this is the table of a rebuild that is only kept in step, or a partition of it: its rows are those of the other one, a moment ago. Locks: none.';
