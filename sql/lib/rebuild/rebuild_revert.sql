CREATE OR REPLACE FUNCTION dbperf.rebuild_revert(relation regclass, unverified boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_revert.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_revert.relation) AS s;
    IF NOT v_sides.is_cut_over THEN
        RAISE NOTICE '% is not cut over', rebuild_revert.relation;
        RETURN;
    ELSIF NOT rebuild_revert.unverified THEN
        PERFORM dbperf.rebuild_require_verified(v_sides.id);
    END IF;
    PERFORM dbperf.rebuild_swap(rebuild_revert.relation);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_revert(regclass, boolean) IS
    'Takes a cutover back, with every write since, after dbperf.rebuild_verify() found no difference (unverified: without that): the table as it was is used again, and the target is kept in step as before it. For a transaction of its own. Raises 55P03 as dbperf.rebuild_swap(). Locks: as that.';
