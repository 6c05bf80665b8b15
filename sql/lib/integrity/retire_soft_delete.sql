CREATE OR REPLACE FUNCTION dbperf.retire_soft_delete(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM dbperf.soft_delete_table AS t WHERE t.relation = retire_soft_delete.relation) THEN
        PERFORM dbperf.refuse_stranded_children(retire_soft_delete.relation, false); -- before any of the tables changes
        RETURN QUERY SELECT pg_catalog.format('SELECT dbperf.disable_soft_delete(%L)', retire_soft_delete.relation);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.retire_soft_delete(regclass) IS
    'Statements still to run until the table has no soft delete. Raises 23503 if live rows reference deleted ones. Locks: ACCESS SHARE on the table and those that reference it; the statement says its.';
