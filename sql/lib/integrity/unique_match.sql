CREATE OR REPLACE FUNCTION dbperf.unique_match(index regclass, one text, other text)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = ''
AS $$
    SELECT pg_catalog.string_agg(
        pg_catalog.format('%s.%I OPERATOR(%I.%s) %s.%I', unique_match.one, a.attname, n.nspname, o.oprname, unique_match.other, a.attname),
        ' AND ' ORDER BY u.place
    )
    FROM pg_catalog.pg_index AS i
    CROSS JOIN ROWS FROM (
        pg_catalog.unnest(i.indkey::smallint[]), pg_catalog.unnest(i.indclass::oid[])
    ) WITH ORDINALITY AS u (attnum, class, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
    JOIN pg_catalog.pg_opclass AS c ON c.oid = u.class
    JOIN pg_catalog.pg_amop AS m
        ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype -- 3: equal
    JOIN pg_catalog.pg_operator AS o ON o.oid = m.amopopr
    JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace
    WHERE i.indexrelid = unique_match.index AND u.place <= i.indnkeyatts
$$;

COMMENT ON FUNCTION dbperf.unique_match(regclass, text, text) IS
    'SQL condition under which two rows have the same key of the unique index, with the operators that the index itself uses. Locks: none.';
