CREATE OR REPLACE FUNCTION dbperf.rebuild_reference_changes(relation regclass)
RETURNS TABLE (reason text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_rebuild dbperf.rebuild;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_reference_changes.relation) AS s;
    SELECT b.* INTO v_rebuild FROM dbperf.rebuild AS b WHERE b.id = v_sides.id;
    RETURN QUERY
        WITH keys AS (
            SELECT x.side, x.key, x.key - '{name,definition,validated,comment}'::text[] AS subject
            FROM (
                SELECT 'live' AS side, r.value AS key FROM pg_catalog.jsonb_array_elements(dbperf.rebuild_references(v_sides.live, '[]')) AS r
                UNION ALL
                SELECT 'shadow', r.value FROM pg_catalog.jsonb_array_elements(dbperf.rebuild_references(v_sides.shadow, '[]')) AS r
                UNION ALL
                SELECT 'source', r.value FROM pg_catalog.jsonb_array_elements(v_rebuild.source_references) AS r
                UNION ALL
                SELECT 'target', r.value FROM pg_catalog.jsonb_array_elements(v_rebuild.target_references) AS r
            ) AS x
        )
        SELECT pg_catalog.format('%s has got foreign key %I since the rebuild began', v_sides.live, k.key ->> 'name')
        FROM keys AS k
        WHERE NOT v_sides.is_cut_over AND k.side = 'live' AND NOT EXISTS (SELECT FROM keys AS o WHERE o.side = 'source' AND o.subject = k.subject)
        UNION ALL -- the target would bring it back
        SELECT pg_catalog.format('%s has no foreign key %I any more, which the rebuild began with', v_sides.live, k.key ->> 'name')
        FROM keys AS k
        WHERE NOT v_sides.is_cut_over AND k.side = 'source' AND NOT EXISTS (SELECT FROM keys AS o WHERE o.side = 'live' AND o.subject = k.subject)
          AND EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = (k.key ->> 'referenced')::oid) -- a table that was dropped took its keys along
        UNION ALL
        SELECT pg_catalog.format('%s has got foreign key %I since the rebuild began', v_sides.shadow, k.key ->> 'name')
        FROM keys AS k
        WHERE k.side = 'shadow' AND (v_rebuild.is_released OR NOT EXISTS (SELECT FROM keys AS o WHERE o.side = 'target' AND o.key - 'comment' = k.key - 'comment'));
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_reference_changes(regclass) IS
    'Foreign keys that came or went since the rebuild of the table began. Locks: none.';
