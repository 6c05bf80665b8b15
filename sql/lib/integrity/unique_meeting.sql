CREATE OR REPLACE FUNCTION dbperf.unique_meeting(index regclass, arriving text)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Names without a table are the row's that stands: in the parentheses of the arriving row they are its own.
    RETURN (
        SELECT pg_catalog.string_agg(
            pg_catalog.format(CASE WHEN i.indnullsnotdistinct THEN '(%1$s %2$s %3$s OR %1$s IS NULL AND %3$s IS NULL)' ELSE '%1$s %2$s %3$s' END,
                              k.expression || k.collation_clause, dbperf.equality_operator(u.class),
                              pg_catalog.format('(SELECT %s FROM (SELECT (%s).*) AS n)', coalesce(k.generation, k.expression), unique_meeting.arriving)),
            ' AND ' ORDER BY u.place
        ) || coalesce(' AND ' || pg_catalog.min(p.predicate || pg_catalog.format(' AND (SELECT %s FROM (SELECT (%s).*) AS n)', p.predicate, unique_meeting.arriving)), '')
        FROM pg_catalog.pg_index AS i
        CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(i.indpred, i.indrelid)) AS p (predicate)
        CROSS JOIN ROWS FROM (
            pg_catalog.unnest(i.indkey::smallint[]), pg_catalog.unnest(i.indclass::oid[]), pg_catalog.unnest(i.indcollation::oid[])
        ) WITH ORDINALITY AS u (attnum, class, collating, place)
        CROSS JOIN LATERAL (
            SELECT pg_catalog.pg_get_indexdef(i.indexrelid, u.place::integer, false) AS expression,
                   coalesce((SELECT pg_catalog.format(' COLLATE %I.%I', n.nspname, l.collname)
                             FROM pg_catalog.pg_collation AS l JOIN pg_catalog.pg_namespace AS n ON n.oid = l.collnamespace
                             WHERE l.oid = u.collating), '') AS collation_clause,
                   -- computed after the triggers, so not in the arriving row yet
                   (SELECT pg_catalog.format('(%s)', pg_catalog.pg_get_expr(d.adbin, d.adrelid))
                    FROM pg_catalog.pg_attribute AS a
                    JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                    WHERE a.attrelid = i.indrelid AND a.attnum = u.attnum AND a.attgenerated <> '') AS generation
        ) AS k
        WHERE i.indexrelid = unique_meeting.index AND u.place <= i.indnkeyatts
    );
END
$$;

COMMENT ON FUNCTION dbperf.unique_meeting(regclass, text) IS
    'SQL condition under which a row of the table has the key of the arriving row (an expression) in the unique index, which may have expressions, a predicate or NULLS NOT DISTINCT. Locks: none.';
