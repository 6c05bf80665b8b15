CREATE OR REPLACE FUNCTION dbperf.partition_capacity(relation regclass)
RETURNS integer
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.current_setting('max_locks_per_transaction')::integer * pg_catalog.current_setting('max_connections')::integer
               / (1 + pg_catalog.count(*))
        FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = partition_capacity.relation
    );
END
$$;

COMMENT ON FUNCTION dbperf.partition_capacity(regclass) IS
    'How many partitions one query without a time can lock, with their indexes, before the server''s lock table may be full: max_locks_per_transaction * max_connections. Locks: none.';
