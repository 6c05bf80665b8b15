CREATE OR REPLACE FUNCTION dbperf.rebuild_target_references(target regclass)
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_keys CONSTANT jsonb := dbperf.rebuild_references(rebuild_target_references.target, '[]');
BEGIN
    RETURN CASE WHEN v_keys <> '[]' THEN v_keys ELSE coalesce((
        SELECT b.target_references FROM dbperf.rebuild AS b
        WHERE b.target = rebuild_target_references.target AND b.state = 'aborted' AND b.is_released ORDER BY b.id DESC LIMIT 1
    ), v_keys) END;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_target_references(regclass) IS
    'Foreign keys that the target of a rebuild has; those that an aborted one took away, if it has none. Locks: none.';
