CREATE OR REPLACE FUNCTION dbperf.rebuild_translation(relation regclass, what text, definition text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        SELECT CASE WHEN b.translations -> rebuild_translation.what ->> t.here = rebuild_translation.definition THEN b.translations -> rebuild_translation.what ->> t.there ELSE rebuild_translation.definition END
        FROM dbperf.rebuild_sides(rebuild_translation.relation) AS s
        JOIN dbperf.rebuild AS b ON b.id = s.id
        CROSS JOIN LATERAL (SELECT CASE WHEN s.is_cut_over THEN 'target' ELSE 'source' END, CASE WHEN s.is_cut_over THEN 'source' ELSE 'target' END) AS t (here, there)
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_translation(regclass, text, text) IS
    'How something that reads like this on the table that is used read on the other one, if nobody has changed it since: there and back it would not be the same. Locks: none.';
