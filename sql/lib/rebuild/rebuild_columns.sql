CREATE OR REPLACE FUNCTION dbperf.rebuild_columns(columns name[], alias text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.string_agg(coalesce(rebuild_columns.alias || '.', '') || pg_catalog.quote_ident(u.name), ', ' ORDER BY u.place)
        FROM pg_catalog.unnest(rebuild_columns.columns) WITH ORDINALITY AS u (name, place)
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_columns(name[], text) IS 'Columns as a list in SQL, of the table called alias. Locks: none.';
