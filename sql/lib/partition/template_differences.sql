CREATE OR REPLACE FUNCTION dbperf.template_differences(relation regclass, leaf regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT c.statement FROM dbperf.template_changes(template_differences.relation, ARRAY[template_differences.leaf]) AS c;
END
$$;

COMMENT ON FUNCTION dbperf.template_differences(regclass, regclass) IS
    'Statements still to run until the partition is as the policy''s template; none if it is. Locks: none; the statements take ACCESS EXCLUSIVE or less on the partition.';
