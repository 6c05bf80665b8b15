CREATE OR REPLACE FUNCTION dbperf.rebuild_range(alias text, relation regclass, key name[], after text[], until text[])
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        SELECT coalesce(pg_catalog.string_agg(
            pg_catalog.format('(%s) %s (%s)', dbperf.rebuild_columns(rebuild_range.key, rebuild_range.alias), e.operator, (
                SELECT pg_catalog.string_agg(pg_catalog.format('%L::%s', e.bound[u.place], pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY u.place)
                FROM pg_catalog.unnest(rebuild_range.key) WITH ORDINALITY AS u (name, place)
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = rebuild_range.relation AND a.attname = u.name
            )), ' AND '
        ), 'true')
        FROM (VALUES ('>', rebuild_range.after), ('<=', rebuild_range.until)) AS e (operator, bound)
        WHERE e.bound IS NOT NULL
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_range(text, regclass, name[], text[], text[]) IS
    'Condition that the key of a row of the table called alias is after one and not after another; NULL for no bound. Locks: none.';
