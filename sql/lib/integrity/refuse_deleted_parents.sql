CREATE OR REPLACE FUNCTION dbperf.refuse_deleted_parents(relation regclass, child anyelement)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key record;
    v_query text;
    v_deleted boolean;
BEGIN
    FOR v_key IN
        SELECT k.key, k.name, k.parent
        FROM dbperf.outbound_keys(refuse_deleted_parents.relation) AS k
        WHERE dbperf.has_soft_delete(k.parent)
    LOOP
        -- FOR SHARE: FOR KEY SHARE would not wait for a transaction that is marking the parent
        v_query := pg_catalog.format(
            'SELECT p.deleted_at IS NOT NULL FROM %s AS p WHERE %s FOR SHARE', v_key.parent, dbperf.key_match(v_key.key, '($1)', 'p')
        );
        EXECUTE v_query INTO v_deleted USING refuse_deleted_parents.child;
        IF v_deleted IS NULL THEN
            -- gone while we waited: a partitioned table puts it back as another row, which a new look sees
            EXECUTE v_query INTO v_deleted USING refuse_deleted_parents.child;
        END IF;
        IF v_deleted THEN
            RAISE EXCEPTION 'the row of % that % references is deleted', v_key.parent, refuse_deleted_parents.relation
                USING ERRCODE = 'foreign_key_violation',
                      DETAIL = pg_catalog.format('Foreign key %I.', v_key.name),
                      HINT = 'Reference another row, or bring it back with dbperf.undelete().';
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_deleted_parents(regclass, anyelement) IS
    'Raises 23503 if a row that this one references is deleted. Locks: ROW SHARE on the referenced tables, FOR SHARE on the referenced rows.';
