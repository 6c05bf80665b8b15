CREATE OR REPLACE FUNCTION dbperf.retire_soft_delete(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE sql STABLE STRICT
SET search_path = ''
AS $$
    SELECT pg_catalog.format('SELECT dbperf.disable_soft_delete(%L)', t.relation)
    FROM dbperf.soft_delete_table AS t
    WHERE t.relation = retire_soft_delete.relation
$$;

COMMENT ON FUNCTION dbperf.retire_soft_delete(regclass) IS
    'Statements still to run until the table has no soft delete. Locks: none; the statement says its.';
