CREATE OR REPLACE FUNCTION dbperf.verify(relation regclass)
RETURNS TABLE (severity text, check_name text, subject text, rows bigint, message text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    v_table record;
    v_half bigint;
BEGIN
    SELECT t.* INTO v_table FROM dbperf.soft_delete_table AS t WHERE t.relation = verify.relation;

    IF v_table.relation IS NOT NULL THEN
        RETURN QUERY SELECT g.severity, g.check_name, g.subject, NULL::bigint, g.message FROM dbperf.verify_guards(v_table.relation) AS g;
    END IF;

    IF EXISTS (
        SELECT FROM dbperf.table_tree(verify.relation) AS t (relation)
        JOIN pg_catalog.pg_class AS c ON c.oid = t.relation WHERE c.relforcerowsecurity
    ) THEN
        RETURN QUERY SELECT 'problem', 'not readable', verify.relation::text, NULL::bigint,
            pg_catalog.format('FORCE ROW LEVEL SECURITY may hide rows of %s: its rows were not checked', verify.relation);
        RETURN;
    END IF;
    RETURN QUERY
        SELECT 'problem', CASE o.reason WHEN 'missing' THEN 'orphan' ELSE 'child of a deleted row' END, o.key_name::text, pg_catalog.count(*),
               pg_catalog.format(
                   '%s rows of %s reference rows of %s that are %s, such as %s', pg_catalog.count(*), c.child, o.parent, o.reason,
                   pg_catalog.min(o.row_key::text)
               )
        FROM (
            SELECT verify.relation AS child
            UNION -- those without soft delete are nobody else's matter
            SELECT coalesce(pg_catalog.pg_partition_root(k.child), k.child) FROM dbperf.inbound_keys(verify.relation) AS k
            WHERE dbperf.has_soft_delete(verify.relation) AND NOT dbperf.has_soft_delete(k.child)
        ) AS c
        CROSS JOIN LATERAL dbperf.orphans(c.child) AS o
        WHERE c.child = verify.relation OR o.reason = 'deleted' AND o.parent = verify.relation
        GROUP BY c.child, o.reason, o.key_name, o.parent
        ORDER BY c.child, o.key_name, o.reason;

    RETURN QUERY
        SELECT 'problem', 'constraint not valid', k.conname::text, NULL::bigint,
               pg_catalog.format('constraint %I of %s is not valid: old rows may break it', k.conname, k.conrelid::regclass)
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid IN (SELECT dbperf.table_tree(verify.relation)) AND NOT k.convalidated
        ORDER BY k.conname;

    RETURN QUERY
        SELECT 'problem', 'settled column missing', s.column_name::text, NULL::bigint,
               pg_catalog.format('%s has no numeric column %I, which was marked as settled money: mark the right one, and delete this one from dbperf.settled_column', verify.relation, s.column_name)
        FROM dbperf.settled_column AS s
        WHERE s.relation = verify.relation AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = s.relation AND a.attname = s.column_name AND a.attnum > 0 AND a.atttypid = 'numeric'::regtype
        )
        ORDER BY s.column_name;

    IF dbperf.has_soft_delete(verify.relation) THEN
        EXECUTE pg_catalog.format(
            'SELECT count(*) FROM %s AS r WHERE (r.deleted_at IS NOT NULL OR r.deleted_batch IS NOT NULL) AND NOT EXISTS ('
            'SELECT FROM dbperf.deletion AS d WHERE d.batch = r.deleted_batch AND d.deleted_at = r.deleted_at AND d.relation = $1)',
            verify.relation
        ) INTO v_half USING verify.relation;
        IF v_half > 0 THEN
            RETURN QUERY SELECT 'problem', 'unknown mark', 'deleted_batch', v_half,
                pg_catalog.format('%s rows of %s have marks that no recorded deletion made', v_half, verify.relation);
        END IF;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.verify(regclass) IS
    'What is wrong with the table''s integrity: orphans, live children of deleted rows, constraints that are not valid, guards of soft delete that are missing, disabled or changed, marks that no deletion made, columns of settled money that are not numeric any more; severity problem or note, check, subject, number of rows, a sentence. Reads the whole table. Locks: ACCESS SHARE on the table, those it references and those that reference it.';
