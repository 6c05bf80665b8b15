CREATE OR REPLACE FUNCTION dbperf.restrict_deletion()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
SET row_security = off -- a policy that hid a row of another table would make it an orphan
AS $$
DECLARE
    v_key record;
    v_is_met boolean;
BEGIN
    FOR v_key IN SELECT k.key, k.name, k.child FROM dbperf.inbound_keys(TG_RELID) AS k LOOP
        PERFORM dbperf.refuse_older_snapshot(TG_RELID);
        EXECUTE pg_catalog.format(
            'SELECT EXISTS (SELECT FROM %s AS c WHERE %s%s)',
            v_key.child, dbperf.key_match(v_key.key, 'c', '($1)'),
            CASE WHEN dbperf.has_soft_delete(v_key.child) THEN ' AND c.deleted_at IS NULL' END
        ) INTO v_is_met USING NEW;
        IF v_is_met THEN
            PERFORM dbperf.refuse_live_children(TG_RELID, v_key.name, v_key.child);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.restrict_deletion() IS
    'Constraint trigger on a row that is being marked: refuses it (23503) while live rows reference it, as RESTRICT would; at any level above READ COMMITTED (0A000). Locks: ACCESS SHARE on the tables that reference it.';

REVOKE EXECUTE ON FUNCTION dbperf.restrict_deletion() FROM PUBLIC;
