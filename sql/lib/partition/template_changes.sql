CREATE OR REPLACE FUNCTION dbperf.template_changes(relation regclass, tables regclass[])
RETURNS TABLE (leaf regclass, statement text, is_exclusive boolean)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off -- nobody can estimate how many settings there are: compiling would take longer than the query
AS $$
DECLARE
    v_template regclass;
BEGIN
    SELECT p.template INTO v_template
    FROM dbperf.partition_policy AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.template
    WHERE p.relation = template_changes.relation;
    IF v_template IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
        WITH wanted AS MATERIALIZED (
            SELECT s.* FROM dbperf.table_settings(ARRAY[v_template]) AS s
        ),
        found AS MATERIALIZED (
            SELECT s.* FROM dbperf.table_settings(template_changes.tables) AS s
        ),
        different AS ( -- grouped, not joined: nobody can estimate how many settings there are
            SELECT a.leaf, a.kind, a.name, pg_catalog.max(a.wanted) AS value, pg_catalog.max(a.found) IS NOT NULL AS is_there
            FROM (
                SELECT t.leaf, w.kind, w.name, w.value AS wanted, NULL AS found FROM pg_catalog.unnest(template_changes.tables) AS t (leaf) CROSS JOIN wanted AS w
                UNION ALL
                SELECT f.relation, f.kind, f.name, NULL, f.value FROM found AS f
            ) AS a
            GROUP BY a.leaf, a.kind, a.name
            HAVING pg_catalog.max(a.wanted) IS DISTINCT FROM pg_catalog.max(a.found)
        )
        SELECT s.* FROM (
            SELECT d.leaf,
                   CASE WHEN d.value IS NULL AND d.kind IN ('policy', 'trigger') THEN pg_catalog.format('DROP %s %I ON %s', pg_catalog.upper(d.kind), d.name[1], d.leaf)
                        ELSE dbperf.setting_statement(d.leaf, d.kind, d.name, d.value, d.is_there) END AS statement,
                   d.kind IN ('column storage', 'column compression', 'row security', 'policy', 'trigger', 'replica identity')
            FROM different AS d
            WHERE d.kind NOT LIKE 'column %' OR 2 = ( -- a column that only one of them has is nobody's business
                SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid IN (d.leaf, v_template) AND a.attname = d.name[1] AND NOT a.attisdropped
            )
            -- REVOKE of a table's privilege takes that of its columns with it; policies come before row security is on
            ORDER BY d.leaf, d.value IS NOT NULL, d.kind, d.name
        ) AS s
        WHERE s.statement IS NOT NULL;
END
$$;

COMMENT ON FUNCTION dbperf.template_changes(regclass, regclass[]) IS
    'Statements still to run until these partitions are as the policy''s template, and whether they need ACCESS EXCLUSIVE on the partition; else SHARE UPDATE EXCLUSIVE does. All partitions in one query. Locks: none.';
