CREATE OR REPLACE FUNCTION dbperf.current_batch()
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.pg_current_xact_id()::text::bigint
$$;

COMMENT ON FUNCTION dbperf.current_batch() IS 'The batch that rows deleted by this transaction belong to: its id. Locks: none.';
