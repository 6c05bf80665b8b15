CREATE OR REPLACE FUNCTION dbperf.template_differences(relation regclass, leaf regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_template CONSTANT regclass := (SELECT p.template FROM dbperf.partition_policy AS p WHERE p.relation = template_differences.relation);
BEGIN
    IF v_template IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY -- storage parameters
        SELECT pg_catalog.format('ALTER TABLE %s SET (%s)', template_differences.leaf, pg_catalog.string_agg(o.option, ', '))
        FROM (SELECT pg_catalog.unnest(c.reloptions) FROM pg_catalog.pg_class AS c WHERE c.oid = v_template
              EXCEPT SELECT pg_catalog.unnest(c.reloptions) FROM pg_catalog.pg_class AS c WHERE c.oid = template_differences.leaf) AS o (option)
        HAVING pg_catalog.count(*) > 0;
END
$$;

COMMENT ON FUNCTION dbperf.template_differences(regclass, regclass) IS
    'Statements still to run until the partition is as the policy''s template. Locks: none; the statements say theirs.';
