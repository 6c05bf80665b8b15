CREATE OR REPLACE FUNCTION dbperf.rebuild_cutover(relation regclass, unverified boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_rebuild dbperf.rebuild;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_cutover.relation);
    SELECT b.* INTO v_rebuild FROM dbperf.rebuild_sides(rebuild_cutover.relation) AS s JOIN dbperf.rebuild AS b ON b.id = s.id;
    IF v_rebuild.state = 'cut over' THEN
        RAISE NOTICE '% is cut over already', rebuild_cutover.relation;
        RETURN;
    ELSIF v_rebuild.copied_at IS NULL THEN
        RAISE EXCEPTION 'the rows of % are not copied yet', rebuild_cutover.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('CALL dbperf.rebuild_run(%L).', rebuild_cutover.relation);
    ELSIF NOT rebuild_cutover.unverified THEN
        PERFORM dbperf.rebuild_require_verified(v_rebuild.id);
    END IF;
    PERFORM dbperf.rebuild_swap(rebuild_cutover.relation);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_cutover(regclass, boolean) IS
    'Lets the target take the place of the table, after dbperf.rebuild_verify() found no difference (unverified: without that). From then on the table as it was is kept in step the other way, by dbperf.rebuild_run(), until dbperf.rebuild_finalize(). For a transaction of its own. Raises 55P03 as dbperf.rebuild_swap(). Locks: as that.';
