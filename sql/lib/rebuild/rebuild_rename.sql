CREATE OR REPLACE FUNCTION dbperf.rebuild_rename(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_live name;
    v_shadow name;
    v_schema name;
    v_pair record;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_rename.relation) AS s;
    SELECT c.relname, n.nspname INTO v_live, v_schema FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = v_sides.live;
    -- the name that the table which is used until now gets: the target its own back, the source <name>_old
    SELECT f.name INTO v_shadow
    FROM dbperf.rebuild AS b
    CROSS JOIN LATERAL (
        SELECT b.target_name AS name, 0 AS place WHERE v_sides.is_cut_over
        UNION ALL
        SELECT dbperf.cut_name(v_live, 50) || '_old' || coalesce('_' || nullif(i, 1), ''), i FROM pg_catalog.generate_series(1, 1000) AS i
    ) AS f
    WHERE b.id = v_sides.id AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS x JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace WHERE n.nspname = v_schema AND x.relname = f.name)
    ORDER BY f.place LIMIT 1;
    FOR v_pair IN -- first: the lists are of the tables by their oids
        SELECT p.live_index, p.shadow_index, l.relname AS live_name, s.relname AS shadow_name
        FROM dbperf.rebuild_indexes(v_sides.live, v_sides.shadow, v_sides.live_columns, v_sides.shadow_columns) AS p
        JOIN pg_catalog.pg_class AS l ON l.oid = p.live_index
        JOIN pg_catalog.pg_class AS s ON s.oid = p.shadow_index
    LOOP
        EXECUTE pg_catalog.format('ALTER INDEX %I.%I RENAME TO %I', v_schema, v_pair.live_name, 'dbperf_rebuild_' || v_sides.id);
        EXECUTE pg_catalog.format('ALTER INDEX %I.%I RENAME TO %I', v_schema, v_pair.shadow_name, v_pair.live_name);
        EXECUTE pg_catalog.format('ALTER INDEX %I.%I RENAME TO %I', v_schema, 'dbperf_rebuild_' || v_sides.id, v_pair.shadow_name);
    END LOOP;
    FOR v_pair IN -- nextval() by name
        SELECT l.relname AS live_name, s.relname AS shadow_name, n.nspname AS live_schema, m.nspname AS shadow_schema
        FROM ROWS FROM (pg_catalog.unnest(v_sides.live_columns), pg_catalog.unnest(v_sides.shadow_columns)) AS p (live_column, shadow_column)
        CROSS JOIN LATERAL dbperf.rebuild_identity(v_sides.live, p.live_column) AS i (sequence)
        CROSS JOIN LATERAL dbperf.rebuild_identity(v_sides.shadow, p.shadow_column) AS j (sequence)
        JOIN pg_catalog.pg_class AS l ON l.oid = i.sequence JOIN pg_catalog.pg_namespace AS n ON n.oid = l.relnamespace
        JOIN pg_catalog.pg_class AS s ON s.oid = j.sequence JOIN pg_catalog.pg_namespace AS m ON m.oid = s.relnamespace
    LOOP
        EXECUTE pg_catalog.format('ALTER SEQUENCE %I.%I RENAME TO %I', v_pair.live_schema, v_pair.live_name, 'dbperf_rebuild_' || v_sides.id);
        EXECUTE pg_catalog.format('ALTER SEQUENCE %I.%I RENAME TO %I', v_pair.shadow_schema, v_pair.shadow_name, v_pair.live_name);
        EXECUTE pg_catalog.format('ALTER SEQUENCE %I.%I RENAME TO %I', v_pair.live_schema, 'dbperf_rebuild_' || v_sides.id, v_pair.shadow_name);
    END LOOP;
    FOR v_pair IN
        SELECT n.nspname AS schema, l.stxname AS live_name, s.stxname AS shadow_name
        FROM dbperf.rebuild_statistics(v_sides.live, v_sides.shadow) AS p
        JOIN pg_catalog.pg_statistic_ext AS l ON l.oid = p.live_object
        JOIN pg_catalog.pg_statistic_ext AS s ON s.oid = p.shadow_object AND s.stxnamespace = l.stxnamespace
        JOIN pg_catalog.pg_namespace AS n ON n.oid = l.stxnamespace
    LOOP
        EXECUTE pg_catalog.format('ALTER STATISTICS %I.%I RENAME TO %I', v_pair.schema, v_pair.live_name, 'dbperf_rebuild_' || v_sides.id);
        EXECUTE pg_catalog.format('ALTER STATISTICS %I.%I RENAME TO %I', v_pair.schema, v_pair.shadow_name, v_pair.live_name);
        EXECUTE pg_catalog.format('ALTER STATISTICS %I.%I RENAME TO %I', v_pair.schema, 'dbperf_rebuild_' || v_sides.id, v_pair.shadow_name);
    END LOOP;
    EXECUTE pg_catalog.format('ALTER TABLE %s RENAME TO %I', v_sides.live, v_shadow);
    EXECUTE pg_catalog.format('ALTER TABLE %s RENAME TO %I', v_sides.shadow, v_live);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_rename(regclass) IS
    'Swaps the names of both tables, and of their indexes and extended statistics that stand for each other; the table that was used until now becomes <name>_old, or what the target was called at first. Locks: ACCESS EXCLUSIVE on both.';
