CREATE OR REPLACE FUNCTION dbperf.accepted_obstacles()
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN pg_catalog.quote_literal(nullif(pg_catalog.string_to_array(pg_catalog.current_setting('dbperf.accept', true), ','), '{}'));
END
$$;

COMMENT ON FUNCTION dbperf.accepted_obstacles() IS
    'What dbperf migrate or rollback --accept said, as a literal of text[]; NULL if nothing. Locks: none.';
