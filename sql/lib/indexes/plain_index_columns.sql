CREATE OR REPLACE FUNCTION dbperf.plain_index_columns(index regclass)
RETURNS name[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(a.attname ORDER BY k.position)
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
    CROSS JOIN LATERAL unnest( -- several arrays: a form of its own, not a function of pg_catalog
        i.indkey::smallint[], i.indoption::smallint[], i.indclass::oid[], i.indcollation::oid[]
    ) WITH ORDINALITY AS k (attribute, option, operator_class, collation_oid, position)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attribute
    JOIN pg_catalog.pg_opclass AS o ON o.oid = k.operator_class
    WHERE i.indexrelid = plain_index_columns.index
      AND NOT i.indisunique
      AND NOT i.indisexclusion
      AND i.indpred IS NULL
      AND i.indnatts = i.indnkeyatts
    GROUP BY i.indnatts
    HAVING count(*) = i.indnatts
       AND bool_and(k.option = 0 AND o.opcdefault AND k.collation_oid = a.attcollation)
$$;

COMMENT ON FUNCTION dbperf.plain_index_columns(regclass) IS
    'Key columns of a plain index: btree, ascending, default operator classes and collations, neither unique nor partial, no expressions, nothing included. NULL for any other index. Locks: none.';
