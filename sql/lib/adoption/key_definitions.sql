CREATE OR REPLACE FUNCTION dbperf.key_definitions(relation regclass)
RETURNS TABLE (definition text, kind "char", constraint_name name, details text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        CASE k.contype
            WHEN 'p' THEN pg_catalog.format('PRIMARY KEY (%s)', key.columns)
            WHEN 'f' THEN pg_catalog.format(
                'FOREIGN KEY (%s) REFERENCES %s (%s)',
                key.columns,
                CASE WHEN f.relnamespace = r.relnamespace THEN pg_catalog.quote_ident(f.relname)
                     ELSE k.confrelid::regclass::text END,
                referenced.columns
            )
            ELSE pg_catalog.pg_get_constraintdef(k.oid)
        END,
        k.contype,
        k.conname,
        CASE WHEN k.contype = 'f' THEN pg_catalog.concat_ws(
            ', ',
            'ON DELETE ' || action.delete_rule,
            'ON UPDATE ' || nullif(action.update_rule, 'NO ACTION'),
            CASE WHEN k.condeferrable THEN 'DEFERRABLE' END,
            CASE WHEN NOT k.convalidated THEN 'NOT VALID' END
        ) END
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_class AS r ON r.oid = k.conrelid
    LEFT JOIN pg_catalog.pg_class AS f ON f.oid = k.confrelid
    LEFT JOIN LATERAL (
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY u.position) AS columns
        FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (number, position)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number
    ) AS key ON true
    LEFT JOIN LATERAL (
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY u.position) AS columns
        FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u (number, position)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number
    ) AS referenced ON true
    CROSS JOIN LATERAL (
        SELECT rules.names[pg_catalog.strpos('arcnd', k.confdeltype)] AS delete_rule,
               rules.names[pg_catalog.strpos('arcnd', k.confupdtype)] AS update_rule
        FROM (VALUES (ARRAY['NO ACTION', 'RESTRICT', 'CASCADE', 'SET NULL', 'SET DEFAULT'])) AS rules (names)
    ) AS action
    WHERE k.conrelid = key_definitions.relation
      AND k.contype IN ('p', 'f', 'u', 'c', 'x')
$$;

COMMENT ON FUNCTION dbperf.key_definitions(regclass) IS
    'Constraints of a table as text without their names, so that tables of two schemas compare: kind is pg_constraint.contype, details holds a foreign key''s actions. Locks: none.';
