CREATE OR REPLACE FUNCTION dbperf.key_match(key oid, child text, parent text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.string_agg(
            pg_catalog.format(
                '%s.%I%s OPERATOR(%I.%s) %s.%I', key_match.parent, p.attname,
                (SELECT pg_catalog.format(' COLLATE %I.%I', s.nspname, l.collname)
                 FROM pg_catalog.pg_collation AS l JOIN pg_catalog.pg_namespace AS s ON s.oid = l.collnamespace
                 WHERE l.oid = p.attcollation AND p.attcollation <> c.attcollation),
                n.nspname, o.oprname, key_match.child, c.attname
            ),
            ' AND ' ORDER BY u.place
        )
        FROM pg_catalog.pg_constraint AS k
        CROSS JOIN ROWS FROM (
            pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.conpfeqop)
        ) WITH ORDINALITY AS u (parent_column, child_column, operator, place)
        JOIN pg_catalog.pg_attribute AS p ON p.attrelid = k.confrelid AND p.attnum = u.parent_column
        JOIN pg_catalog.pg_attribute AS c ON c.attrelid = k.conrelid AND c.attnum = u.child_column
        JOIN pg_catalog.pg_operator AS o ON o.oid = u.operator
        JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace
        WHERE k.oid = key_match.key
    );
END
$$;

COMMENT ON FUNCTION dbperf.key_match(oid, text, text) IS
    'SQL condition by which the foreign key joins the row called child to the row called parent, with the operators that the key itself uses and the parent''s collation. Locks: none.';
