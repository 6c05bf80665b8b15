CREATE OR REPLACE FUNCTION dbperf.rebuild_obstacles(relation regclass, target regclass, mapping jsonb DEFAULT NULL)
RETURNS TABLE (kind text, reason text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_source pg_catalog.pg_class;
    v_target pg_catalog.pg_class;
BEGIN
    SELECT c.* INTO v_source FROM pg_catalog.pg_class AS c WHERE c.oid = rebuild_obstacles.relation;
    SELECT c.* INTO v_target FROM pg_catalog.pg_class AS c WHERE c.oid = rebuild_obstacles.target;
    RETURN QUERY
        SELECT o.kind, pg_catalog.format(o.reason, rebuild_obstacles.relation, rebuild_obstacles.target)
        FROM (VALUES
            ('table', v_source.relkind NOT IN ('r', 'p') OR v_source.relispartition, '%s is no table that stands for itself'),
            ('table', v_target.relkind NOT IN ('r', 'p') OR v_target.relispartition, '%2$s is no table that stands for itself'),
            ('table', v_source.oid = v_target.oid, '%s cannot become itself'),
            ('table', v_source.relnamespace <> v_target.relnamespace, '%2$s is in another schema than %1$s'),
            ('table', EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relpersistence <> 'p' AND c.oid IN (SELECT dbperf.table_tree(v_source.oid) UNION ALL SELECT dbperf.table_tree(v_target.oid))), '%s or %2$s, or a partition, is temporary or unlogged'),
            ('table', v_source.reloftype <> 0, '%s is a table of a type'),
            ('table', v_source.relforcerowsecurity, 'FORCE ROW LEVEL SECURITY on %s would hide rows from its owner'),
            ('table', NOT pg_catalog.pg_has_role(v_source.relowner, 'USAGE') OR NOT pg_catalog.pg_has_role(v_target.relowner, 'USAGE'), 'this role does not own %s and %2$s'),
            ('table', EXISTS (SELECT FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid WHERE (v_source.oid IN (i.inhparent, i.inhrelid) OR v_target.oid IN (i.inhparent, i.inhrelid)) AND NOT c.relispartition), '%s or %2$s has children, or is one, by INHERITS'),
            ('table', EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class IN (v_source.oid, v_target.oid)), '%s or %2$s has rules'),
            ('table', EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS r WHERE r.srrelid = v_source.oid), '%s is fed by a subscription, whose changes no trigger sees'),
            ('rebuild', EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND (b.source, b.target) IN ((v_source.oid, v_target.oid))), '%s is being rebuilt as %2$s already'),
            ('rebuild', EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND (v_source.oid IN (b.source, b.target)) <> (v_target.oid IN (b.source, b.target))), '%s or %2$s is part of another rebuild'),
            ('rebuild', dbperf.backfill_within(v_source.oid) IS NOT NULL OR dbperf.backfill_within(v_target.oid) IS NOT NULL, '%s or %2$s is being filled with history: finish or abort that first'),
            -- each remembers the other as it was, and would take its keys there
            ('rebuild', EXISTS (SELECT FROM dbperf.rebuild AS b CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(b.source_references || b.target_references) AS r WHERE b.ended_at IS NULL AND v_target.oid NOT IN (b.source, b.target) AND (r.value ->> 'referenced')::oid IN (v_source.oid, v_target.oid)), 'a table that references %s is being rebuilt, or was and is not finalized'),
            ('rebuild', EXISTS (SELECT FROM dbperf.rebuild AS b JOIN pg_catalog.pg_constraint AS k ON k.confrelid IN (b.source, b.target) AND k.contype = 'f' WHERE b.ended_at IS NULL AND v_target.oid NOT IN (b.source, b.target) AND k.conrelid IN (v_source.oid, v_target.oid)), 'a table that %s references is being rebuilt, or was and is not finalized')
        ) AS o (kind, is_met, reason)
        WHERE o.is_met;

    RETURN QUERY -- the key
        SELECT 'key', CASE WHEN i.indexrelid IS NULL THEN pg_catalog.format('%s has no primary key', rebuild_obstacles.relation)
                           WHEN a.attgenerated <> '' THEN pg_catalog.format('the key column %I of %s is generated', a.attname, rebuild_obstacles.relation)
                           WHEN NOT i.indimmediate THEN pg_catalog.format('the primary key of %s is deferrable', rebuild_obstacles.relation)
                           ELSE pg_catalog.format('the key column %I of %s has a type that is not built in, or jsonb or an array', a.attname, rebuild_obstacles.relation) END
        FROM (SELECT) AS one
        LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = v_source.oid AND i.indisprimary
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
        LEFT JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
        WHERE i.indexrelid IS NULL OR a.attgenerated <> '' OR NOT i.indimmediate OR y.oid >= 16384 AND y.typtype <> 'e' OR y.typcategory = 'A' OR y.oid = 'jsonb'::regtype;
    RETURN QUERY
        SELECT 'key', pg_catalog.format('no index of %s begins with %s, by which its rows are looked up', rebuild_obstacles.target, w.names)
        FROM (
            SELECT pg_catalog.count(*)::integer AS columns, pg_catalog.array_agg(t.attnum) AS numbers, pg_catalog.string_agg(pg_catalog.quote_ident(t.attname), ', ') AS names
            FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
            JOIN dbperf.rebuild_pairs(rebuild_obstacles.relation, rebuild_obstacles.target, rebuild_obstacles.mapping) AS p ON p.source_column = a.attname
            JOIN pg_catalog.pg_attribute AS t ON t.attrelid = v_target.oid AND t.attname = p.target_column
            WHERE i.indrelid = v_source.oid AND i.indisprimary
        ) AS w
        WHERE w.columns > 0 AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_index AS x
            WHERE x.indrelid = v_target.oid AND x.indisvalid AND x.indpred IS NULL
              AND ((x.indkey::smallint[])[0:w.columns - 1] @> w.numbers OR x.indisunique AND (x.indkey::smallint[])[0:x.indnkeyatts - 1] <@ w.numbers)
        );

    RETURN QUERY SELECT c.* FROM dbperf.rebuild_column_obstacles(rebuild_obstacles.relation, rebuild_obstacles.target, rebuild_obstacles.mapping) AS c;
    RETURN QUERY SELECT k.* FROM dbperf.rebuild_key_obstacles(rebuild_obstacles.relation, rebuild_obstacles.target, rebuild_obstacles.mapping) AS k;
    RETURN QUERY SELECT d.* FROM dbperf.rebuild_dependent_obstacles(rebuild_obstacles.relation, rebuild_obstacles.target) AS d;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_obstacles(regclass, regclass, jsonb) IS
    'Why a table cannot be rebuilt as another one, each with its kind; kinds publication, unique, check, foreign key and generated can be accepted. What dbperf.rebuild_start() only finds by trying, views, triggers, policies and defaults that cannot be made, is not among them. Locks: none.';
