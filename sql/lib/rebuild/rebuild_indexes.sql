CREATE OR REPLACE FUNCTION dbperf.rebuild_indexes(live regclass, shadow regclass, live_columns name[], shadow_columns name[])
RETURNS TABLE (live_index regclass, shadow_index regclass)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        WITH numbers AS (
            SELECT l.attnum AS live_number, s.attnum AS shadow_number
            FROM ROWS FROM (pg_catalog.unnest(rebuild_indexes.live_columns), pg_catalog.unnest(rebuild_indexes.shadow_columns)) AS u (live_name, shadow_name)
            JOIN pg_catalog.pg_attribute AS l ON l.attrelid = rebuild_indexes.live AND l.attname = u.live_name
            JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_indexes.shadow AND s.attname = u.shadow_name
        ),
        pairs AS (
            SELECT i.indexrelid AS live_oid, x.indexrelid AS shadow_oid,
                   pg_catalog.row_number() OVER (PARTITION BY i.indexrelid ORDER BY x.indexrelid) AS live_place, pg_catalog.row_number() OVER (PARTITION BY x.indexrelid ORDER BY i.indexrelid) AS shadow_place
            FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
            JOIN pg_catalog.pg_index AS x ON x.indrelid = rebuild_indexes.shadow
            JOIN pg_catalog.pg_class AS d ON d.oid = x.indexrelid AND d.relam = c.relam
            WHERE i.indrelid = rebuild_indexes.live AND i.indisprimary = x.indisprimary
              AND (i.indisprimary OR (
                  i.indisunique = x.indisunique AND i.indexprs IS NULL AND x.indexprs IS NULL AND (i.indpred IS NULL) = (x.indpred IS NULL)
                  AND x.indkey::text = pg_catalog.array_to_string(ARRAY(
                      SELECT n.shadow_number FROM pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS u (number, place)
                      JOIN numbers AS n ON n.live_number = u.number ORDER BY u.place
                  ), ' ')
              ))
        )
        SELECT p.live_oid::regclass, p.shadow_oid::regclass FROM pairs AS p WHERE p.live_place = 1 AND p.shadow_place = 1;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_indexes(regclass, regclass, name[], name[]) IS
    'Indexes of both tables that stand for each other: the primary keys, and those of the same columns. Locks: none.';
