CREATE OR REPLACE FUNCTION dbperf.rebuild_key_obstacles(relation regclass, target regclass, mapping jsonb)
RETURNS TABLE (kind text, reason text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_numbers jsonb; -- of columns of the source: those of the target
BEGIN
    v_numbers := (
        SELECT pg_catalog.jsonb_object_agg(s.attnum, t.attnum)
        FROM dbperf.rebuild_pairs(rebuild_key_obstacles.relation, rebuild_key_obstacles.target, rebuild_key_obstacles.mapping) AS p
        JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_key_obstacles.relation AND s.attname = p.source_column
        JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_key_obstacles.target AND t.attname = p.target_column
    );
    RETURN QUERY SELECT 'foreign key', r.reason FROM dbperf.rebuild_reference_obstacles(rebuild_key_obstacles.relation, rebuild_key_obstacles.target, rebuild_key_obstacles.mapping) AS r;
    RETURN QUERY
        SELECT 'unique', pg_catalog.format('%s has no unique key like %s of %s: ON CONFLICT on it would fail', rebuild_key_obstacles.target, i.indexrelid::regclass, rebuild_key_obstacles.relation)
        FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = rebuild_key_obstacles.relation AND i.indisunique AND NOT i.indisprimary AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_index AS x
            WHERE x.indrelid = rebuild_key_obstacles.target AND x.indisunique AND (x.indpred IS NULL) = (i.indpred IS NULL) AND x.indnkeyatts = i.indnkeyatts
              AND pg_catalog.array_to_string((x.indkey::smallint[])[0:x.indnkeyatts - 1], ' ') = pg_catalog.array_to_string(ARRAY(
                  SELECT coalesce(v_numbers ->> u.n::text, '0') FROM pg_catalog.unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1]) WITH ORDINALITY AS u (n, place) ORDER BY u.place
              ), ' ')
        );
    RETURN QUERY
        SELECT 'check', pg_catalog.format('%s has no constraint like %I %s of %s', rebuild_key_obstacles.target, k.conname, pg_catalog.pg_get_constraintdef(k.oid), rebuild_key_obstacles.relation)
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = rebuild_key_obstacles.relation AND k.contype IN ('c', 'x') AND k.conname NOT LIKE 'dbperf\_%' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS x
            WHERE x.conrelid = rebuild_key_obstacles.target AND x.contype = k.contype AND x.conname = k.conname
        );
    RETURN QUERY -- ON CONFLICT cannot do with them
        SELECT 'key', pg_catalog.format('%s has a deferrable unique or exclusion constraint, %I', k.conrelid::regclass, k.conname)
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid IN (rebuild_key_obstacles.relation, rebuild_key_obstacles.target) AND k.contype IN ('p', 'u', 'x') AND k.condeferrable;
    RETURN QUERY -- rows are found by their keys, compared as they are
        SELECT 'key', pg_catalog.format('%I of %s and %I of %s cannot be compared', s.attname, rebuild_key_obstacles.relation, t.attname, rebuild_key_obstacles.target)
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS s ON s.attrelid = i.indrelid AND s.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
        JOIN dbperf.rebuild_pairs(rebuild_key_obstacles.relation, rebuild_key_obstacles.target, rebuild_key_obstacles.mapping) AS p ON p.source_column = s.attname
        JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_key_obstacles.target AND t.attname = p.target_column
        WHERE i.indrelid = rebuild_key_obstacles.relation AND i.indisprimary AND s.atttypid <> t.atttypid
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_operator AS o WHERE o.oprname = '=' AND o.oprleft = t.atttypid AND o.oprright = s.atttypid)
          AND 2 <> (SELECT pg_catalog.count(*) FROM pg_catalog.pg_type AS y WHERE y.oid IN (s.atttypid, t.atttypid) AND y.typcategory = 'S')
        UNION ALL
        SELECT 'key', pg_catalog.format('%I of %s and %I of %s have different collations', s.attname, rebuild_key_obstacles.relation, t.attname, rebuild_key_obstacles.target)
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS s ON s.attrelid = i.indrelid AND s.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
        JOIN dbperf.rebuild_pairs(rebuild_key_obstacles.relation, rebuild_key_obstacles.target, rebuild_key_obstacles.mapping) AS p ON p.source_column = s.attname
        JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_key_obstacles.target AND t.attname = p.target_column
        WHERE i.indrelid = rebuild_key_obstacles.relation AND i.indisprimary AND s.attcollation <> t.attcollation AND s.attcollation <> 0 AND t.attcollation <> 0;
    RETURN QUERY -- rows of the other one are deleted and inserted again: its children would go with them
        SELECT 'reference', pg_catalog.format('%I of %s references %s', k.conname, k.conrelid::regclass, rebuild_key_obstacles.target)
        FROM pg_catalog.pg_constraint AS k
        WHERE k.confrelid = rebuild_key_obstacles.target AND k.contype = 'f' AND k.conparentid = 0;
    RETURN QUERY -- who references the table has to reference the other one
        SELECT 'reference', CASE WHEN k.conrelid = k.confrelid THEN pg_catalog.format('%I of %s references the table itself', k.conname, rebuild_key_obstacles.relation)
                                 WHEN c.relkind <> 'r' THEN pg_catalog.format('%I of the partitioned table %s references %s', k.conname, k.conrelid::regclass, rebuild_key_obstacles.relation)
                                 ELSE pg_catalog.format('%I of %s references columns of %s that are no unique key of %s', k.conname, k.conrelid::regclass, rebuild_key_obstacles.relation, rebuild_key_obstacles.target) END
        FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
        WHERE k.confrelid = rebuild_key_obstacles.relation AND k.contype = 'f' AND k.conparentid = 0
          AND (c.relkind <> 'r' OR k.conrelid = k.confrelid OR NOT EXISTS (
              SELECT FROM pg_catalog.pg_index AS x
              WHERE x.indrelid = rebuild_key_obstacles.target AND x.indisunique AND x.indimmediate AND x.indpred IS NULL AND x.indnkeyatts = pg_catalog.cardinality(k.confkey)
                AND (x.indkey::smallint[])[0:x.indnkeyatts - 1] @> ARRAY(SELECT (v_numbers ->> u.n::text)::smallint FROM pg_catalog.unnest(k.confkey) AS u (n))
          ));
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_key_obstacles(regclass, regclass, jsonb) IS
    'Keys and constraints that stand in the way of a rebuild. Locks: none.';
