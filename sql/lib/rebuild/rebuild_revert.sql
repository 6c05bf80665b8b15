CREATE OR REPLACE FUNCTION dbperf.rebuild_revert(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_revert.relation);
    IF NOT (SELECT s.is_cut_over FROM dbperf.rebuild_sides(rebuild_revert.relation) AS s) THEN
        RAISE NOTICE '% is not cut over', rebuild_revert.relation;
        RETURN;
    END IF;
    PERFORM dbperf.rebuild_swap(rebuild_revert.relation);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_revert(regclass) IS
    'Takes a cutover back, with every write since: the table as it was is used again, and the target is kept in step as before it. For a transaction of its own. Raises 55P03 as dbperf.rebuild_swap(). Locks: as that.';
