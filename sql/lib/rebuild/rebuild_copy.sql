CREATE OR REPLACE FUNCTION dbperf.rebuild_copy(relation regclass, batch_size integer)
RETURNS integer
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET row_security = off -- a policy must not hide a row
SET timezone = 'UTC' -- keys are remembered as text
SET datestyle = 'ISO, YMD'
SET extra_float_digits = 1
SET intervalstyle = 'postgres'
AS $$
DECLARE
    v_started CONSTANT timestamp with time zone := pg_catalog.clock_timestamp();
    v_sides record;
    v_from text[];
    v_rows integer;
    v_to text[];
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_copy.relation);
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_copy.relation) AS s;
    SELECT b.copied_to INTO v_from FROM dbperf.rebuild AS b WHERE b.id = v_sides.id AND NOT b.is_backfilled;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- one statement, one snapshot; what is there already came by the log, and is as new or will come again
    EXECUTE pg_catalog.format(
        'WITH batch AS MATERIALIZED (SELECT l.* FROM %1$s AS l %2$s ORDER BY %3$s LIMIT %4$s), '
        'copied AS (INSERT INTO %5$s (%6$s) OVERRIDING SYSTEM VALUE SELECT %7$s FROM batch AS l ORDER BY %3$s ON CONFLICT DO NOTHING) '
        'SELECT pg_catalog.count(*), (SELECT ARRAY[%8$s] FROM batch AS l ORDER BY %9$s LIMIT 1) FROM batch',
        v_sides.live,
        'WHERE ' || dbperf.rebuild_range('l', v_sides.live, v_sides.live_key, v_from, NULL),
        dbperf.rebuild_columns(v_sides.live_key, 'l'), rebuild_copy.batch_size, v_sides.shadow, dbperf.rebuild_columns(v_sides.shadow_columns),
        dbperf.rebuild_values(v_sides.live, v_sides.live_columns, v_sides.shadow, v_sides.shadow_columns, 'l', false),
        (SELECT pg_catalog.string_agg(pg_catalog.format('l.%I::text', u.name), ', ' ORDER BY u.place) FROM pg_catalog.unnest(v_sides.live_key) WITH ORDINALITY AS u (name, place)),
        (SELECT pg_catalog.string_agg(pg_catalog.format('l.%I DESC', u.name), ', ' ORDER BY u.place) FROM pg_catalog.unnest(v_sides.live_key) WITH ORDINALITY AS u (name, place))
    ) INTO v_rows, v_to;

    UPDATE dbperf.rebuild AS b
    SET copied_rows = b.copied_rows + v_rows, copied_to = coalesce(v_to, b.copied_to), is_backfilled = v_rows < rebuild_copy.batch_size,
        copying_took = b.copying_took + (pg_catalog.clock_timestamp() - v_started)
    WHERE b.id = v_sides.id;
    RETURN v_rows;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_copy(regclass, integer) IS
    'Copies the next rows in the order of the key, and remembers how far it is in the same transaction; returns how many it read, NULL if all are copied already. For a transaction of its own, at READ COMMITTED. Locks: ACCESS SHARE on the one table, ROW EXCLUSIVE on the other, FOR KEY SHARE on rows that they reference.';
