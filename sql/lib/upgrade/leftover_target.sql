CREATE OR REPLACE FUNCTION dbperf.leftover_target(live regclass, target text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_found CONSTANT oid := (SELECT c.oid FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass(leftover_target.target));
    v_is_empty boolean := false;
BEGIN
    IF v_found IS NULL THEN
        RETURN false;
    ELSIF EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.state = 'aborted' AND b.source = leftover_target.live AND b.target = v_found) THEN
        RETURN true;
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_description AS d WHERE d.objoid = v_found AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND d.description LIKE 'dbperf: %') THEN
        EXECUTE pg_catalog.format('SELECT NOT EXISTS (SELECT FROM %s)', v_found::regclass) INTO v_is_empty; -- made, and its rebuild never began
    END IF;
    IF NOT v_is_empty THEN
        RAISE EXCEPTION '% is there already, and not from dbperf', leftover_target.target
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('Rename it: %s is to be rebuilt under this name. Nothing was changed.', leftover_target.live);
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION dbperf.leftover_target(regclass, text) IS
    'Whether the target of a rebuild of a trading table that was aborted or never began is still there. Raises 55000 if something else has its name. Locks: ACCESS SHARE on it.';
