CREATE OR REPLACE FUNCTION dbperf.rebuild_verify(relation regclass)
RETURNS TABLE (row_key jsonb, difference text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET row_security = off -- a policy must not hide a row
SET timezone = 'UTC' -- keys are remembered as text
SET datestyle = 'ISO, YMD'
SET extra_float_digits = 1
SET intervalstyle = 'postgres'
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_batch CONSTANT integer := 20000;
    v_sides record;
    v_from text[];
    v_to text[];
    v_found jsonb;
    v_rows bigint;
    v_total bigint := 0;
    v_differences bigint := 0;
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a rebuild is verified at READ COMMITTED only' USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed''.';
    END IF;
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_verify.relation) AS s;
    LOOP
        EXECUTE pg_catalog.format(
            'SELECT ARRAY[%s] FROM %s AS l %s ORDER BY %s OFFSET %s LIMIT 1',
            (SELECT pg_catalog.string_agg(pg_catalog.format('l.%I::text', u.name), ', ' ORDER BY u.place) FROM pg_catalog.unnest(v_sides.live_key) WITH ORDINALITY AS u (name, place)),
            v_sides.live, 'WHERE ' || dbperf.rebuild_range('l', v_sides.live, v_sides.live_key, v_from, NULL),
            dbperf.rebuild_columns(v_sides.live_key, 'l'), v_batch - 1
        ) INTO v_to;
        -- One statement, one snapshot: a change that is seen is either applied or in the log. Images, because equal values
        -- need not be the same (1.0 and 1.00), and not every type has an equality. Both ways: nothing is rounded.
        EXECUTE pg_catalog.format(
            'WITH joined AS (SELECT %1$s, l.there, l.here AS l_here, t.here AS t_here, t.back FROM '
            '(SELECT %2$s, ROW(%3$s) AS there, ROW(%4$s) AS here FROM %5$s AS l WHERE %6$s) AS l FULL JOIN '
            '(SELECT %7$s, ROW(%8$s) AS here, ROW(%9$s) AS back FROM %10$s AS t WHERE %11$s) AS t ON %12$s) '
            'SELECT pg_catalog.count(j.l_here), pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object(%13$s), CASE '
            'WHEN (%14$s) IN (SELECT %15$s FROM %16$s AS g WHERE g.stuck) THEN ''stuck'' WHEN j.t_here IS NULL THEN ''missing'' WHEN j.l_here IS NULL THEN ''extra'' WHEN j.there OPERATOR(pg_catalog.*<>) j.t_here THEN ''differs'' ELSE ''rounded'' END)) '
            'FILTER (WHERE (j.there OPERATOR(pg_catalog.*<>) j.t_here OR j.l_here OPERATOR(pg_catalog.*<>) j.back) IS NOT FALSE AND (%14$s) NOT IN (SELECT %15$s FROM %16$s AS g WHERE NOT g.stuck)) FROM joined AS j',
            (SELECT pg_catalog.string_agg(pg_catalog.format('coalesce(l.k%1$s, t.k%1$s) AS k%1$s', i), ', ') FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i),
            (SELECT pg_catalog.string_agg(pg_catalog.format('l.%I AS k%s', u.name, u.place), ', ') FROM pg_catalog.unnest(v_sides.live_key) WITH ORDINALITY AS u (name, place)),
            dbperf.rebuild_values(v_sides.live, v_sides.live_columns, v_sides.shadow, v_sides.shadow_columns, 'l', true),
            dbperf.rebuild_columns(v_sides.live_columns, 'l'), v_sides.live,
            dbperf.rebuild_range('l', v_sides.live, v_sides.live_key, v_from, v_to),
            (SELECT pg_catalog.string_agg(pg_catalog.format('t.%I::%s AS k%s', u.name, pg_catalog.format_type(a.atttypid, a.atttypmod), u.place), ', ')
             FROM ROWS FROM (pg_catalog.unnest(v_sides.shadow_key), pg_catalog.unnest(v_sides.live_key)) WITH ORDINALITY AS u (name, live_name, place)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = v_sides.live AND a.attname = u.live_name),
            dbperf.rebuild_columns(v_sides.shadow_columns, 't'),
            dbperf.rebuild_values(v_sides.shadow, v_sides.shadow_columns, v_sides.live, v_sides.live_columns, 't', true), v_sides.shadow,
            dbperf.rebuild_range('t', v_sides.shadow, v_sides.shadow_key, v_from, v_to),
            (SELECT pg_catalog.string_agg(pg_catalog.format('l.k%1$s = t.k%1$s', i), ' AND ') FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i),
            (SELECT pg_catalog.string_agg(pg_catalog.format('%L, j.k%s', u.name, u.place), ', ' ORDER BY u.place) FROM pg_catalog.unnest(v_sides.live_key) WITH ORDINALITY AS u (name, place)),
            (SELECT pg_catalog.string_agg('j.k' || i, ', ' ORDER BY i) FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i),
            (SELECT pg_catalog.string_agg('g.k' || i, ', ' ORDER BY i) FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_sides.live_key)) AS i),
            v_sides.log
        ) INTO v_rows, v_found;
        v_total := v_total + v_rows;
        FOR rebuild_verify.row_key, rebuild_verify.difference IN SELECT f.value -> 0, f.value ->> 1 FROM pg_catalog.jsonb_array_elements(v_found) AS f LOOP
            -- what is written now may be finer than the table that it was could hold, which rounds it, as it always did; and
            -- may have keys that it could hold once only, which are set aside
            v_differences := v_differences + (rebuild_verify.difference NOT IN ('rounded', 'stuck') OR NOT v_sides.is_cut_over)::integer;
            RETURN NEXT;
        END LOOP;
        EXIT WHEN v_to IS NULL;
        v_from := v_to;
    END LOOP;
    UPDATE dbperf.rebuild AS b SET verified_at = pg_catalog.clock_timestamp(), verified_rows = v_total, differences = v_differences WHERE b.id = v_sides.id;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_verify(regclass) IS
    'Compares every row of both tables, converted there and back, while they are written to, and returns what differs: missing, extra, differs, stuck, if a unique key of the other table keeps it out, or rounded, if only the way back does; no row means that they are equal. Keys in the change log are left out, those that are stuck are not. Locks: ACCESS SHARE on both tables.';
