CREATE OR REPLACE FUNCTION dbperf.rebuild_match(alias text, columns name[])
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.string_agg(pg_catalog.format('%s.%I = k.k%s', rebuild_match.alias, u.name, u.place), ' AND ' ORDER BY u.place)
        FROM pg_catalog.unnest(rebuild_match.columns) WITH ORDINALITY AS u (name, place)
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_match(text, name[]) IS 'Condition that a row of the table called alias has the key k. Locks: none.';
