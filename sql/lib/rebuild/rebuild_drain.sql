CREATE OR REPLACE FUNCTION dbperf.rebuild_drain(relation regclass, batch_size integer)
RETURNS integer
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET row_security = off -- a policy must not hide a row
SET timezone = 'UTC' -- keys are remembered as text
SET datestyle = 'ISO, YMD'
SET extra_float_digits = 1
SET intervalstyle = 'postgres'
-- few keys, many rows, and no statistics of a table that has just been filled: by its index, never by reading all of it
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    v_sides record;
    v_rebuild dbperf.rebuild;
    v_keys jsonb;
    v_entries integer;
    v_found bigint;
    v_inserted bigint;
    v_from text;
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_drain.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_drain.relation) AS s;
    SELECT b.* INTO v_rebuild FROM dbperf.rebuild AS b WHERE b.id = v_sides.id;
    -- What is visible, never up to a number: entries are committed in another order than they are numbered. Of one key the
    -- order is the same, because its rows were locked: so the oldest first.
    EXECUTE pg_catalog.format(
        'WITH taken AS (DELETE FROM %1$s AS g WHERE g.id IN (SELECT x.id FROM %1$s AS x WHERE NOT x.stuck ORDER BY x.id LIMIT %2$s) RETURNING g.*) '
        'SELECT pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_object(%3$s)) FILTER (WHERE NOT (%4$s)), pg_catalog.count(*) FROM taken AS t',
        v_sides.log, rebuild_drain.batch_size,
        (SELECT pg_catalog.string_agg(pg_catalog.format('''k%1$s'', t.k%1$s', i), ', ') FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i),
        -- the backfill will come there, and see what this transaction sees
        CASE WHEN v_rebuild.is_backfilled THEN 'false' WHEN v_rebuild.copied_to IS NULL THEN 'true'
             ELSE dbperf.rebuild_range('t', v_sides.log::regclass, ARRAY(SELECT ('k' || i)::name FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i), v_rebuild.copied_to, NULL) END
    ) INTO v_keys, v_entries;
    UPDATE dbperf.rebuild AS b SET applied_changes = b.applied_changes + v_entries WHERE b.id = v_sides.id AND v_entries > 0;
    IF v_keys IS NULL THEN
        RETURN v_entries;
    END IF;

    v_from := dbperf.rebuild_keys(v_sides.live, v_sides.live_key);
    EXECUTE pg_catalog.format('DELETE FROM %s AS t USING %s WHERE %s', v_sides.shadow, v_from, dbperf.rebuild_match('t', v_sides.shadow_key)) USING v_keys;
    EXECUTE pg_catalog.format( -- a new snapshot: as the rows are now, not as they were when they were logged
        'WITH found AS MATERIALIZED (SELECT l.* FROM %1$s JOIN %2$s AS l ON %3$s), '
        'copied AS (INSERT INTO %4$s (%5$s) OVERRIDING SYSTEM VALUE SELECT %6$s FROM found AS l ON CONFLICT DO NOTHING RETURNING 1) '
        'SELECT (SELECT pg_catalog.count(*) FROM found), (SELECT pg_catalog.count(*) FROM copied)',
        v_from, v_sides.live, dbperf.rebuild_match('l', v_sides.live_key), v_sides.shadow, dbperf.rebuild_columns(v_sides.shadow_columns),
        dbperf.rebuild_values(v_sides.live, v_sides.live_columns, v_sides.shadow, v_sides.shadow_columns, 'l', false)
    ) INTO v_found, v_inserted USING v_keys;
    -- entries of these keys that were stuck have had their chance
    EXECUTE pg_catalog.format('DELETE FROM %s AS g USING %s WHERE g.stuck AND %s', v_sides.log, v_from, (
        SELECT pg_catalog.string_agg(pg_catalog.format('g.k%1$s = k.k%1$s', i), ' AND ') FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i
    )) USING v_keys;
    IF v_found <> v_inserted THEN -- the other table has a unique key that keeps them out: they stay in the log
        EXECUTE pg_catalog.format(
            'INSERT INTO %1$s (%2$s, stuck) SELECT %2$s, true FROM %3$s WHERE (SELECT pg_catalog.count(*) FROM %4$s AS l WHERE %5$s) <> (SELECT pg_catalog.count(*) FROM %6$s AS t WHERE %7$s)',
            v_sides.log, (SELECT pg_catalog.string_agg('k' || i, ', ') FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i),
            v_from, v_sides.live, dbperf.rebuild_match('l', v_sides.live_key), v_sides.shadow, dbperf.rebuild_match('t', v_sides.shadow_key)
        ) USING v_keys;
    END IF;
    RETURN v_entries;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_drain(regclass, integer) IS
    'Applies the oldest entries of the change log: takes the rows with these keys out of the table that is kept in step and puts in what the other one has now, but for those that the backfill has not come to; returns how many entries it took. Rows that a unique key keeps out stay in the log, stuck. For a transaction of its own, at READ COMMITTED. Locks: ACCESS SHARE on the one table, ROW EXCLUSIVE on the other and the log.';
