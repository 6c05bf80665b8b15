CREATE OR REPLACE FUNCTION dbperf.rebuild_reference_obstacles(relation regclass, target regclass, mapping jsonb)
RETURNS TABLE (reason text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        WITH keys AS ( -- columns by the names that the target has for them
            SELECT r.is_source, r.value ->> 'name' AS name, pg_catalog.replace(r.value ->> 'definition', E'\x01', (r.value ->> 'referenced')::oid::regclass::text) AS definition, r.value -> 'validated' AS validated,
                   ROW(ARRAY(
                       SELECT CASE WHEN r.is_source THEN p.target_column::text ELSE c.value END
                       FROM pg_catalog.jsonb_array_elements_text(r.value -> 'columns') WITH ORDINALITY AS c
                       LEFT JOIN dbperf.rebuild_pairs(rebuild_reference_obstacles.relation, rebuild_reference_obstacles.target, rebuild_reference_obstacles.mapping) AS p ON p.source_column = c.value
                       ORDER BY c.ordinality
                   ), r.value -> 'referenced', r.value -> 'referenced_columns')::text AS subject,
                   r.value ->> 'definition' ~ '\) MATCH FULL' AS is_full, pg_catalog.substring(r.value ->> 'definition', '(?:NOT DEFERRABLE|DEFERRABLE|DEFERRABLE INITIALLY DEFERRED)$') AS deferral
            FROM (
                SELECT true AS is_source, s.value FROM pg_catalog.jsonb_array_elements(dbperf.rebuild_references(rebuild_reference_obstacles.relation, '[]')) AS s
                UNION ALL
                SELECT false, t.value FROM pg_catalog.jsonb_array_elements(dbperf.rebuild_target_references(rebuild_reference_obstacles.target)) AS t
            ) AS r
        )
        SELECT pg_catalog.format('%s has no foreign key like %I %s of %s', rebuild_reference_obstacles.target, s.name, s.definition, rebuild_reference_obstacles.relation)
        FROM keys AS s
        WHERE s.is_source AND NOT EXISTS (
            SELECT FROM keys AS t
            WHERE NOT t.is_source AND t.subject = s.subject AND t.is_full = s.is_full AND t.deferral IS NOT DISTINCT FROM s.deferral AND t.validated = 'true'
        )
        UNION ALL -- what would be found wanting when the names are swapped
        SELECT pg_catalog.format('foreign key %I of %s was never validated', s.name, rebuild_reference_obstacles.relation) FROM keys AS s WHERE s.is_source AND s.validated <> 'true'
        UNION ALL
        SELECT pg_catalog.format('%s has no foreign key like %I %s of %s: nobody has checked its rows', rebuild_reference_obstacles.relation, t.name, t.definition, rebuild_reference_obstacles.target)
        FROM keys AS t WHERE NOT t.is_source AND NOT EXISTS (SELECT FROM keys AS s WHERE s.is_source AND s.subject = t.subject)
        UNION ALL
        SELECT pg_catalog.format('partition %s has a foreign key of its own, %I', k.conrelid::regclass, k.conname)
        FROM pg_catalog.unnest(ARRAY[rebuild_reference_obstacles.relation, rebuild_reference_obstacles.target]) AS r (relation)
        CROSS JOIN LATERAL dbperf.partition_leaves(r.relation) AS t (leaf)
        JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.leaf AND k.contype = 'f' AND k.conparentid = 0;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_reference_obstacles(regclass, regclass, jsonb) IS
    'Foreign keys that one of the tables has and the other one has not. Locks: none.';
