CREATE OR REPLACE FUNCTION dbperf.check_cascade()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy that hid a row of another table would make it an orphan
AS $$
DECLARE
    v_key record;
    v_is_met boolean;
BEGIN
    IF NOT dbperf.has_soft_delete(NEW.relation) THEN -- it was disabled, or the table dropped, by this transaction
        RETURN NULL;
    END IF;
    FOR v_key IN
        SELECT k.name, k.child, k.query
        FROM dbperf.live_children(NEW.relation, pg_catalog.format('(SELECT * FROM %s WHERE deleted_at = $1 AND deleted_batch = $2)', NEW.relation)) AS k
    LOOP
        EXECUTE v_key.query INTO v_is_met USING NEW.deleted_at, NEW.batch;
        IF v_is_met THEN
            PERFORM dbperf.refuse_live_children(NEW.relation, v_key.name, v_key.child);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.check_cascade() IS
    'Deferrable constraint trigger of dbperf.deletion: when a cascade is complete, and at the latest when its transaction commits, refuses it (23503) if live rows still reference what it marked. Locks: ACCESS SHARE on the table and those that reference it.';

REVOKE EXECUTE ON FUNCTION dbperf.check_cascade() FROM PUBLIC;
