CREATE OR REPLACE FUNCTION dbperf.rebuild_check(relation regclass)
RETURNS void
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_rebuild dbperf.rebuild;
    v_obstacles text;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_check.relation) AS s;
    SELECT b.* INTO v_rebuild FROM dbperf.rebuild AS b WHERE b.id = v_sides.id;
    IF v_rebuild.structure <> dbperf.rebuild_structure(v_rebuild.source, v_rebuild.target) THEN
        RAISE EXCEPTION 'columns of % or % were changed since the rebuild began', v_rebuild.source, v_rebuild.target
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Put them back as they were, or abort the rebuild and start it anew.';
    END IF;
    SELECT pg_catalog.string_agg(t.relation::text, ', ') INTO v_obstacles
    FROM dbperf.table_tree(v_sides.live) AS t (relation)
    WHERE 4 > (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = t.relation AND g.tgname LIKE 'dbperf\_rebuild\_%' AND g.tgenabled = 'A');
    IF v_obstacles IS NOT NULL THEN
        RAISE EXCEPTION 'changes of % were not all logged', v_obstacles
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Triggers dbperf_rebuild_* are missing or disabled, or a partition was attached by hand.',
                  HINT = 'What was written meanwhile is in one table only: put the triggers back and verify, or abort.';
    END IF;
    SELECT pg_catalog.string_agg(o.reason, '; ') INTO v_obstacles
    FROM (
        SELECT d.* FROM dbperf.rebuild_dependent_obstacles(v_sides.live, v_sides.shadow) AS d
        UNION ALL
        SELECT k.* FROM dbperf.rebuild_key_obstacles(v_sides.live, v_sides.shadow, (
            SELECT pg_catalog.jsonb_object_agg(u.shadow_name, u.live_name) FROM ROWS FROM (pg_catalog.unnest(v_sides.live_columns), pg_catalog.unnest(v_sides.shadow_columns)) AS u (live_name, shadow_name)
        )) AS k WHERE k.kind = 'reference' OR NOT v_sides.is_cut_over AND k.kind <> 'foreign key'
        UNION ALL -- those of the other table are put aside
        SELECT 'foreign key', pg_catalog.format('%s has got foreign key %I since the rebuild began', v_sides.live, r.value ->> 'name')
        FROM pg_catalog.jsonb_array_elements(dbperf.rebuild_references(v_sides.live, '[]')) AS r
        WHERE NOT v_sides.is_cut_over AND NOT EXISTS (
            SELECT FROM pg_catalog.jsonb_array_elements(v_rebuild.source_references) AS k WHERE k.value -> 'columns' = r.value -> 'columns' AND k.value -> 'referenced' = r.value -> 'referenced'
        )
    ) AS o
    WHERE o.kind <> ALL (v_rebuild.accepted);
    IF v_obstacles IS NOT NULL THEN
        RAISE EXCEPTION '% cannot take the place of %', v_sides.shadow, v_sides.live
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = v_obstacles, HINT = 'They came since the rebuild began: take them away, then call this again. Nothing was changed.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_check(regclass) IS
    'Raises 55000 if the tables of a rebuild were changed since it began so that it cannot go on. Locks: none.';
