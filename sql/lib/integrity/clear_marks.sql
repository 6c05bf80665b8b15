CREATE OR REPLACE FUNCTION dbperf.clear_marks(relation regclass, condition text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_root CONSTANT regclass := coalesce(pg_catalog.pg_partition_root(clear_marks.relation), clear_marks.relation);
    v_rows bigint;
BEGIN
    INSERT INTO dbperf.delete_ticket (xid, relation, purpose) VALUES (pg_catalog.pg_current_xact_id(), v_root, 'undelete');
    EXECUTE pg_catalog.format(
        'UPDATE %s AS r SET deleted_at = NULL, deleted_batch = NULL WHERE r.deleted_at IS NOT NULL AND %s', clear_marks.relation, clear_marks.condition
    );
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    DELETE FROM dbperf.delete_ticket AS t
    WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = v_root AND t.purpose = 'undelete';
    RETURN v_rows;
END
$$;

COMMENT ON FUNCTION dbperf.clear_marks(regclass, text) IS
    'Brings marked rows back to life (the table is called r in the condition) and returns how many. Locks: ROW EXCLUSIVE on the table.';
