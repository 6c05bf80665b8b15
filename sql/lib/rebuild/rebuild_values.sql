CREATE OR REPLACE FUNCTION dbperf.rebuild_values(relation regclass, columns name[], target regclass, target_columns name[], alias text, whole boolean)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.string_agg(
            CASE
                WHEN s.atttypid = t.atttypid AND (s.atttypmod = t.atttypmod OR NOT rebuild_values.whole)
                    THEN pg_catalog.format('%s.%I', rebuild_values.alias, s.attname)
                -- without its length: assignment then refuses what a cast would cut
                ELSE pg_catalog.format('%s.%I::%s', rebuild_values.alias, s.attname, pg_catalog.format_type(t.atttypid, CASE WHEN rebuild_values.whole THEN t.atttypmod ELSE -1 END))
            END, ', ' ORDER BY u.place
        )
        FROM ROWS FROM (pg_catalog.unnest(rebuild_values.columns), pg_catalog.unnest(rebuild_values.target_columns)) WITH ORDINALITY AS u (name, target_name, place)
        JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_values.relation AND s.attname = u.name AND NOT s.attisdropped
        JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_values.target AND t.attname = u.target_name AND NOT t.attisdropped
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_values(regclass, name[], regclass, name[], text, boolean) IS
    'Columns of one table, called alias, as SQL expressions of the types of the other one''s; whole: with length and scale, as they arrive. Locks: none.';
