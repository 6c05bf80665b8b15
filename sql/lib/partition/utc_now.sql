CREATE OR REPLACE FUNCTION dbperf.utc_now()
RETURNS timestamp without time zone
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.statement_timestamp() AT TIME ZONE 'UTC'
$$;

COMMENT ON FUNCTION dbperf.utc_now() IS 'What partitions take for now, in UTC whatever TimeZone says. Locks: none.';
