CREATE OR REPLACE FUNCTION dbperf.rebuild_refuse(relation regclass, target regclass, mapping jsonb, accept text[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_obstacles text;
BEGIN
    SELECT pg_catalog.string_agg(o.reason, '; ') INTO v_obstacles
    FROM dbperf.rebuild_obstacles(rebuild_refuse.relation, rebuild_refuse.target, rebuild_refuse.mapping) AS o
    WHERE o.kind NOT IN ('publication', 'unique', 'check', 'foreign key', 'generated') OR o.kind <> ALL (coalesce(rebuild_refuse.accept, '{}'));
    IF v_obstacles IS NULL THEN
        v_obstacles := nullif(pg_catalog.array_to_string(dbperf.rebuild_rehearse(rebuild_refuse.relation, rebuild_refuse.target), '; '), '');
    END IF;
    IF v_obstacles IS NOT NULL THEN
        RAISE EXCEPTION '% cannot be rebuilt as %', rebuild_refuse.relation, rebuild_refuse.target
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = v_obstacles,
                  HINT = 'Nothing was changed. Kinds publication, unique, check, foreign key and generated can be accepted: dbperf.rebuild_obstacles() says which is which.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_refuse(regclass, regclass, jsonb, text[]) IS
    'Raises 55000 with every reason why a table cannot be rebuilt as another one, but those of accepted kinds. Locks: ACCESS SHARE on both tables.';
