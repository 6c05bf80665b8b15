CREATE OR REPLACE FUNCTION dbperf.rebuild_rehearse_equip(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_reason text;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_rehearse_equip.relation) AS s;
    BEGIN
        PERFORM dbperf.rebuild_lock(ARRAY[v_sides.shadow], 'ACCESS EXCLUSIVE', pg_catalog.format('the rebuild of %s could not begin', v_sides.live));
        PERFORM dbperf.rebuild_hand_on(rebuild_rehearse_equip.relation);
        RAISE EXCEPTION USING ERRCODE = 'transaction_rollback', MESSAGE = 'over';
    EXCEPTION
        WHEN transaction_rollback THEN
            NULL;
        WHEN syntax_error_or_access_rule_violation OR feature_not_supported OR data_exception THEN
            GET STACKED DIAGNOSTICS v_reason = MESSAGE_TEXT;
            RAISE EXCEPTION '% cannot be given what % has: %', v_sides.shadow, v_sides.live, v_reason
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Nothing was changed.';
    END;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_rehearse_equip(regclass) IS
    'Raises 55000, with the server''s reason, if dbperf.rebuild_hand_on() would not succeed: does it, and takes it back. Raises 55P03. Locks: ACCESS EXCLUSIVE on the target while it does; none afterwards.';
