CREATE OR REPLACE FUNCTION dbperf.table_differences(baseline regclass, relation regclass)
RETURNS TABLE (severity text, message text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- what the table is
    SELECT 'difference', pg_catalog.format('%s is owned by %s, not by a role that %s belongs to', c.oid::regclass, pg_catalog.quote_ident(o.rolname), current_user)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner
    WHERE c.oid = table_differences.relation AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')
    UNION ALL
    SELECT 'notice', pg_catalog.format('%s %s', c.oid::regclass, fact.message)
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL (VALUES
        (c.relpersistence = 'u', 'is UNLOGGED: a crash of the server empties it'),
        (c.relrowsecurity, 'has row level security'),
        (EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE c.oid IN (h.inhrelid, h.inhparent)), 'has inheritance parents or children')
    ) AS fact (holds, message)
    WHERE c.oid = table_differences.relation AND fact.holds

    UNION ALL -- what a rollback will need: it creates the retired indexes again
    SELECT 'difference', pg_catalog.format('%s may not create indexes in schema %I (GRANT CREATE ON SCHEMA)', current_user, n.nspname)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = table_differences.relation AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')
    UNION ALL
    SELECT 'difference', pg_catalog.format('%s may not create indexes in tablespace %I, where %s is (GRANT CREATE ON TABLESPACE)', current_user, t.spcname, c.oid::regclass)
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
    WHERE i.indrelid = table_differences.relation
      AND dbperf.plain_index_columns(i.indexrelid) IS NOT NULL
      AND NOT pg_catalog.has_tablespace_privilege(t.oid, 'CREATE')

    UNION ALL -- columns
    SELECT d.severity, pg_catalog.format('column %s.%I %s', table_differences.relation, coalesce(e.attname, a.attname), d.message)
    FROM (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = table_differences.baseline AND attnum > 0 AND NOT attisdropped) AS e
    FULL JOIN (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = table_differences.relation AND attnum > 0 AND NOT attisdropped) AS a
        ON a.attname = e.attname
    CROSS JOIN LATERAL (VALUES (
        pg_catalog.format_type(e.atttypid, e.atttypmod), pg_catalog.format_type(a.atttypid, a.atttypmod)
    )) AS type (expected, actual)
    CROSS JOIN LATERAL (VALUES
        (a.attname IS NULL, 'difference', pg_catalog.format('is missing, expected %s', type.expected)),
        (e.attname IS NULL, 'kept', pg_catalog.format('(%s) is not dbperf''s', type.actual)),
        (type.actual <> type.expected, 'difference', pg_catalog.format('is %s, expected %s', type.actual, type.expected)),
        (e.attnotnull AND NOT a.attnotnull, 'difference', 'allows NULL, expected NOT NULL'),
        (a.attnotnull AND NOT e.attnotnull, 'difference', 'is NOT NULL, expected to allow NULL'),
        (a.attgenerated <> '' AND e.attname IS NOT NULL, 'difference', 'is generated, expected an ordinary column'),
        (e.atthasdef AND NOT a.atthasdef AND a.attidentity = '', 'notice', 'has no default')
    ) AS d (holds, severity, message)
    WHERE d.holds

    UNION ALL -- keys and constraints, by structure
    SELECT d.severity, d.message
    FROM (SELECT DISTINCT ON (k.definition) k.* FROM dbperf.key_definitions(table_differences.baseline) AS k) AS e
    FULL JOIN dbperf.key_definitions(table_differences.relation) AS a ON a.definition = e.definition
    CROSS JOIN LATERAL (VALUES
        (a.definition IS NULL, 'difference', pg_catalog.format('%s lacks %s', table_differences.relation, e.definition)),
        (e.definition IS NULL, CASE WHEN a.kind = 'p' THEN 'difference' ELSE 'kept' END,
         pg_catalog.format('constraint %s of %s (%s)', pg_catalog.quote_ident(a.constraint_name), table_differences.relation, a.definition)),
        (a.details <> e.details, 'notice',
         pg_catalog.format('constraint %s of %s is %s, legacy has %s', pg_catalog.quote_ident(a.constraint_name), table_differences.relation, a.details, e.details))
    ) AS d (holds, severity, message)
    WHERE d.holds

    UNION ALL -- indexes: missing ones are expected by queries, not by dbperf
    SELECT 'notice', pg_catalog.format('%s has no index on (%s)', table_differences.relation, pg_catalog.array_to_string(dbperf.plain_index_columns(e.indexrelid), ', '))
    FROM pg_catalog.pg_index AS e
    WHERE e.indrelid = table_differences.baseline
      AND dbperf.plain_index_columns(e.indexrelid) IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_index AS a
          WHERE a.indrelid = table_differences.relation
            AND a.indisvalid
            AND dbperf.plain_index_columns(a.indexrelid) = dbperf.plain_index_columns(e.indexrelid)
      )
    UNION ALL
    SELECT 'kept', pg_catalog.format('index %s%s', pg_catalog.pg_get_indexdef(a.indexrelid), CASE WHEN a.indisvalid THEN '' ELSE ' (invalid)' END)
    FROM pg_catalog.pg_index AS a
    WHERE a.indrelid = table_differences.relation
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = a.indexrelid AND k.conrelid = a.indrelid)
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_index AS e
          WHERE e.indrelid = table_differences.baseline
            AND a.indisvalid
            AND dbperf.plain_index_columns(a.indexrelid) = dbperf.plain_index_columns(e.indexrelid)
      )

    UNION ALL -- what else hangs on the table
    SELECT DISTINCT 'kept', pg_catalog.format('%s %s reads %s', CASE v.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, v.oid::regclass, table_differences.relation)
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_rewrite AS w ON w.oid = d.objid
    JOIN pg_catalog.pg_class AS v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
    WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
      AND d.refclassid = 'pg_catalog.pg_class'::regclass
      AND d.refobjid = table_differences.relation
    UNION ALL
    SELECT 'kept', pg_catalog.format('trigger %I on %s', t.tgname, table_differences.relation)
    FROM pg_catalog.pg_trigger AS t
    WHERE t.tgrelid = table_differences.relation AND NOT t.tgisinternal
    UNION ALL
    SELECT 'kept', pg_catalog.format('rule %I on %s', w.rulename, table_differences.relation)
    FROM pg_catalog.pg_rewrite AS w
    WHERE w.ev_class = table_differences.relation
$$;

COMMENT ON FUNCTION dbperf.table_differences(regclass, regclass) IS
    'How a table differs from a baseline table, by structure and never by the names of constraints or indexes. severity: difference (stops an adoption: a missing column or key, another type, nullability or owner), notice (worth knowing), kept (not dbperf''s, left as it is). Locks: none.';
