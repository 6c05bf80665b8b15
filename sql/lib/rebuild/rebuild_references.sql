CREATE OR REPLACE FUNCTION dbperf.rebuild_references(relation regclass, remembered jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        WITH made AS (
            SELECT k.conname::text AS name, pg_catalog.jsonb_build_object(
                'name', k.conname, 'columns', dbperf.column_names(k.conrelid, k.conkey),
                'referenced', k.confrelid, 'referenced_columns', dbperf.column_names(k.confrelid, k.confkey),
                -- \x01 is the referenced table, which can get another name
                'definition', pg_catalog.overlay(d.text, ' REFERENCES ' || E'\x01' || '(', pg_catalog.strpos(d.text, d.place), pg_catalog.length(d.place)),
                'validated', k.convalidated, 'comment', pg_catalog.obj_description(k.oid, 'pg_constraint')
            ) AS key
            FROM pg_catalog.pg_constraint AS k
            CROSS JOIN LATERAL (SELECT pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''), pg_catalog.format(' REFERENCES %s(', k.confrelid::regclass)) AS d (text, place)
            WHERE k.conrelid = rebuild_references.relation AND k.contype = 'f' AND k.conparentid = 0
        ),
        remembered AS (
            SELECT r.value ->> 'name' AS name, r.value AS key FROM pg_catalog.jsonb_array_elements(rebuild_references.remembered) AS r
            WHERE EXISTS ( -- what dbperf.rebuild_settle() has not finished
                SELECT FROM dbperf.table_tree(rebuild_references.relation) AS t (relation)
                JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.relation AND k.contype = 'f' AND k.conparentid = 0 AND k.conname = r.value ->> 'name'
            )
        )
        SELECT coalesce(pg_catalog.jsonb_agg(CASE WHEN (m.key -> 'validated')::boolean THEN m.key ELSE coalesce(r.key, m.key) END ORDER BY name), '[]')
        FROM made AS m FULL JOIN remembered AS r USING (name)
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_references(regclass, jsonb) IS
    'Foreign keys of the table: a list of objects with name, columns, referenced, referenced_columns, definition, validated, comment; as they will be when dbperf.rebuild_settle() has done what it remembers of them. Locks: none.';
