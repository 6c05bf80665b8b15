CREATE OR REPLACE FUNCTION dbperf.rebuild_pairs(relation regclass, target regclass, mapping jsonb)
RETURNS TABLE (source_column name, target_column name)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT s.attname, t.attname
        FROM pg_catalog.pg_attribute AS t
        JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_pairs.relation AND s.attnum > 0 AND NOT s.attisdropped AND s.attgenerated = ''
            AND s.attname = CASE WHEN rebuild_pairs.mapping ? t.attname THEN rebuild_pairs.mapping ->> t.attname ELSE t.attname END
        WHERE t.attrelid = rebuild_pairs.target AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = ''
        ORDER BY t.attnum;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_pairs(regclass, regclass, jsonb) IS
    'Columns that are copied: those of the target that the source has under the same name, or under the one that the mapping {"target column": "source column"} says; null for one that is not copied. Locks: none.';
