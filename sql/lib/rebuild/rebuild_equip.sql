CREATE OR REPLACE FUNCTION dbperf.rebuild_equip(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_id integer;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_equip.relation);
    SELECT b.id INTO v_id FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND rebuild_equip.relation IN (b.source, b.target) AND NOT b.is_equipped;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM dbperf.rebuild_check(rebuild_equip.relation);
    PERFORM dbperf.rebuild_hand_on(rebuild_equip.relation);
    UPDATE dbperf.rebuild AS b SET is_equipped = true WHERE b.id = v_id;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_equip(regclass) IS
    'dbperf.rebuild_hand_on(), once and before the target is filled. Locks: as that.';
