CREATE OR REPLACE FUNCTION dbperf.rebuild_name_references(live_keys jsonb, shadow_keys jsonb, live_columns name[], shadow_columns name[])
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        WITH numbered AS ( -- a table can have the same key twice
            SELECT k.is_live, k.key, k.place, k.columns, pg_catalog.row_number() OVER (PARTITION BY k.is_live, k.key -> 'referenced', k.key -> 'referenced_columns', k.columns ORDER BY k.place) AS number
            FROM (
                SELECT true AS is_live, e.value AS key, e.ordinality AS place, ARRAY(
                    SELECT rebuild_name_references.shadow_columns[pg_catalog.array_position(rebuild_name_references.live_columns, c.value::name)]
                    FROM pg_catalog.jsonb_array_elements_text(e.value -> 'columns') WITH ORDINALITY AS c ORDER BY c.ordinality
                ) AS columns
                FROM pg_catalog.jsonb_array_elements(rebuild_name_references.live_keys) WITH ORDINALITY AS e
                UNION ALL
                SELECT false, e.value, e.ordinality, ARRAY(SELECT c.value::name FROM pg_catalog.jsonb_array_elements_text(e.value -> 'columns') WITH ORDINALITY AS c ORDER BY c.ordinality)
                FROM pg_catalog.jsonb_array_elements(rebuild_name_references.shadow_keys) WITH ORDINALITY AS e
            ) AS k
        )
        SELECT coalesce(pg_catalog.jsonb_agg(s.key || CASE WHEN l.key IS NOT NULL THEN pg_catalog.jsonb_build_object('name', l.key -> 'name') ELSE '{}' END ORDER BY s.place), '[]')
        FROM numbered AS s
        LEFT JOIN numbered AS l
            ON l.is_live AND l.columns = s.columns AND l.number = s.number AND l.key -> 'referenced' = s.key -> 'referenced' AND l.key -> 'referenced_columns' = s.key -> 'referenced_columns'
        WHERE NOT s.is_live
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_name_references(jsonb, jsonb, name[], name[]) IS
    'The second list of foreign keys, as dbperf.rebuild_references() returns it, by the names that keys of the same columns have in the first one. Locks: none.';
