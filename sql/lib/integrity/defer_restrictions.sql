CREATE OR REPLACE FUNCTION dbperf.defer_restrictions(relation regclass, deferred boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = ''
AS $$
DECLARE
    v_names text;
BEGIN
    SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.dbperf_restrict_deletion', n.nspname), ', ') INTO v_names
    FROM (SELECT defer_restrictions.relation UNION SELECT k.child FROM dbperf.referencing_tables(defer_restrictions.relation) AS k) AS r (relation)
    JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = r.relation AND g.tgname = 'dbperf_restrict_deletion'
    JOIN pg_catalog.pg_class AS c ON c.oid = r.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace;

    IF v_names IS NOT NULL THEN
        EXECUTE pg_catalog.format('SET CONSTRAINTS %s %s', v_names, CASE WHEN defer_restrictions.deferred THEN 'DEFERRED' ELSE 'IMMEDIATE' END);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.defer_restrictions(regclass, boolean) IS
    'Lets the checks for live children wait until the children are marked too, or makes them now. Locks: none.';
