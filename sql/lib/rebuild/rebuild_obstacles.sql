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
        SELECT 'table', pg_catalog.format(o.reason, rebuild_obstacles.relation, rebuild_obstacles.target)
        FROM (VALUES
            (v_source.relkind NOT IN ('r', 'p') OR v_source.relispartition, '%s is no table that stands for itself'),
            (v_target.relkind NOT IN ('r', 'p') OR v_target.relispartition, '%2$s is no table that stands for itself'),
            (v_source.oid = v_target.oid, '%s cannot become itself'),
            (v_source.relnamespace <> v_target.relnamespace, '%2$s is in another schema than %1$s'),
            (v_source.relpersistence <> 'p' OR v_target.relpersistence <> 'p', '%s or %2$s is temporary or unlogged'),
            (v_source.reloftype <> 0, '%s is a table of a type'),
            (v_source.relforcerowsecurity, 'FORCE ROW LEVEL SECURITY on %s would hide rows from its owner'),
            (NOT pg_catalog.pg_has_role(v_source.relowner, 'USAGE') OR NOT pg_catalog.pg_has_role(v_target.relowner, 'USAGE'), 'this role does not own %s and %2$s'),
            (EXISTS (SELECT FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid WHERE v_source.oid IN (i.inhparent, i.inhrelid) AND NOT c.relispartition), '%s has children, or is one, by INHERITS'),
            (EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = v_source.oid), '%s has rules'),
            (EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS r WHERE r.srrelid = v_source.oid), '%s is fed by a subscription, whose changes no trigger sees'),
            (EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND (b.source, b.target) IN ((v_source.oid, v_target.oid))), '%s is being rebuilt as %2$s already'),
            (EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND (v_source.oid IN (b.source, b.target)) <> (v_target.oid IN (b.source, b.target))), '%s or %2$s is part of another rebuild')
        ) AS o (is_met, reason)
        WHERE o.is_met;

    RETURN QUERY -- the key
        SELECT 'key', CASE WHEN i.indexrelid IS NULL THEN pg_catalog.format('%s has no primary key', rebuild_obstacles.relation)
                           WHEN NOT i.indimmediate THEN pg_catalog.format('the primary key of %s is deferrable', rebuild_obstacles.relation)
                           ELSE pg_catalog.format('the key column %I of %s has a type that is not built in, or jsonb or an array', a.attname, rebuild_obstacles.relation) END
        FROM (SELECT) AS one
        LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = v_source.oid AND i.indisprimary
        LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
        LEFT JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
        WHERE i.indexrelid IS NULL OR NOT i.indimmediate OR y.oid >= 16384 AND y.typtype <> 'e' OR y.typcategory = 'A' OR y.oid = 'jsonb'::regtype;
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
    'Why a table cannot be rebuilt as another one, each with its kind; kinds publication, unique, check and foreign key can be accepted. Locks: none.';
