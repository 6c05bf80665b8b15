CREATE OR REPLACE FUNCTION dbperf.refuse_deleted_parent()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
SET row_security = off -- a policy that hid a row of another table would make it an orphan
AS $$
DECLARE
    v_key record;
    v_query text;
    v_deleted boolean;
BEGIN
    FOR v_key IN
        SELECT k.key, k.name, k.parent
        FROM dbperf.outbound_keys(TG_RELID) AS k
        WHERE dbperf.has_soft_delete(k.parent)
    LOOP
        -- FOR SHARE: FOR KEY SHARE would not wait for a transaction that is marking the parent
        v_query := pg_catalog.format(
            'SELECT p.deleted_at IS NOT NULL FROM %s AS p WHERE %s FOR SHARE', v_key.parent, dbperf.key_match(v_key.key, '($1)', 'p')
        );
        EXECUTE v_query INTO v_deleted USING NEW;
        IF v_deleted IS NULL THEN
            -- gone while we waited: a partitioned table puts it back as another row, which a new look sees
            EXECUTE v_query INTO v_deleted USING NEW;
        END IF;
        IF v_deleted THEN
            RAISE EXCEPTION 'the row of % that % references is deleted', v_key.parent, TG_RELID::regclass
                USING ERRCODE = 'foreign_key_violation',
                      DETAIL = pg_catalog.format('Foreign key %I.', v_key.name),
                      HINT = 'Reference another row, or bring it back with dbperf.undelete().';
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_deleted_parent() IS
    'Trigger, BEFORE INSERT OR UPDATE OF the referencing columns FOR EACH ROW, not on hot tables: refuses (23503) a new child of a deleted row. Locks: ROW SHARE on the referenced tables, FOR SHARE on the referenced rows.';

REVOKE EXECUTE ON FUNCTION dbperf.refuse_deleted_parent() FROM PUBLIC;
