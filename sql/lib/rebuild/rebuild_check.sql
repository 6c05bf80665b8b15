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
        SELECT x.reason FROM dbperf.rebuild_obstacles(v_sides.live, v_sides.shadow, (
            SELECT pg_catalog.jsonb_object_agg(a.attname, v_sides.live_columns[pg_catalog.array_position(v_sides.shadow_columns, a.attname)])
            FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = v_sides.shadow AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        )) AS x
        WHERE x.kind NOT IN ('rebuild', 'foreign key') AND x.kind <> ALL (v_rebuild.accepted)
          -- back to what it was: only what would be lost by it counts
          AND NOT (v_sides.is_cut_over AND x.kind IN ('column', 'key', 'unique', 'check', 'generated'))
        UNION ALL
        SELECT c.reason FROM dbperf.rebuild_reference_changes(v_sides.live) AS c
    ) AS o;
    IF v_obstacles IS NOT NULL THEN
        RAISE EXCEPTION '% cannot take the place of %', v_sides.shadow, v_sides.live
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = v_obstacles, HINT = 'That came since the rebuild began: undo it, then call this again; or abort.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_check(regclass) IS
    'Raises 55000 if the tables of a rebuild were changed since it began so that it cannot go on. Locks: none.';
