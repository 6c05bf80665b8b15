CREATE OR REPLACE FUNCTION dbperf.drain_plan(relation regclass, part regclass)
RETURNS TABLE (
    is_last boolean,
    keep_lower timestamp without time zone, keep_upper timestamp without time zone,
    lowers timestamp without time zone[], uppers timestamp without time zone[]
)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_most CONSTANT integer := 4; -- partitions in one transaction: each costs milliseconds under the lock
    v_now CONSTANT timestamp without time zone := dbperf.utc_now();
    v_policy record;
    v_lower timestamp without time zone[];
    v_upper timestamp without time zone[];
    v_gaps tsrange[];
    v_rows bigint[];
    v_count integer;
    v_total bigint;
    v_rest bigint;
    v_hole interval; -- an emptiness longer than this parts a few rows from the others
    v_gap tsrange; -- the one in which the partition stays
    v_leaves bigint;
    v_place integer;
BEGIN
    SELECT p.* INTO v_policy FROM dbperf.partition_policy AS p WHERE p.relation = drain_plan.relation;
    SELECT pg_catalog.array_agg(p.lower), pg_catalog.array_agg(p.upper), pg_catalog.array_agg(p.gap), pg_catalog.array_agg(p.rows),
           pg_catalog.count(*), coalesce(pg_catalog.sum(p.rows), 0)
    INTO v_lower, v_upper, v_gaps, v_rows, v_count, v_total
    FROM dbperf.drain_pieces(drain_plan.relation, drain_plan.part) AS p;

    SELECT tsrange(pg_catalog.max(b.upper) FILTER (WHERE b.upper <= v_now), pg_catalog.min(b.lower) FILTER (WHERE b.lower > v_now)) INTO v_gap
    FROM dbperf.partition_bounds(drain_plan.relation) AS b WHERE NOT b.is_default
    HAVING pg_catalog.count(*) FILTER (WHERE b.lower <= v_now AND v_now < b.upper) = 0;
    IF v_gap IS NOT NULL THEN -- writers are in it: all that the policy lets them write just now stays
        keep_lower := greatest(pg_catalog.lower(v_gap), dbperf.partition_floor(v_policy.every, v_now - v_policy.max_behind));
        keep_upper := least(
            pg_catalog.upper(v_gap), dbperf.partition_floor(v_policy.every, v_now + greatest(v_policy.every, interval '1 day')) + v_policy.every
        );
        FOR v_place IN 1..v_count LOOP
            IF v_gap @> v_lower[v_place] AND v_lower[v_place] <= v_now + v_policy.max_ahead THEN
                keep_upper := greatest(keep_upper, v_upper[v_place]);
            END IF;
        END LOOP;
    ELSIF v_count > v_most OR v_total > 20000 THEN
        SELECT r.place INTO v_place FROM pg_catalog.unnest(v_rows) WITH ORDINALITY AS r (rows, place) ORDER BY r.rows DESC LIMIT 1;
        v_gap := v_gaps[v_place];
        keep_lower := v_lower[v_place];
        keep_upper := v_upper[v_place];
    END IF;

    -- what is near stays too, and what is far if it is much
    v_hole := greatest(v_policy.max_behind + v_policy.max_ahead, 12 * v_policy.every, interval '31 days');
    v_rest := (SELECT pg_catalog.sum(r.rows) FROM ROWS FROM (pg_catalog.unnest(v_lower), pg_catalog.unnest(v_rows)) AS r (lower, rows)
               WHERE v_gap @> r.lower AND r.lower < keep_lower);
    FOR v_place IN REVERSE v_count..1 LOOP
        CONTINUE WHEN v_gap @> v_lower[v_place] IS NOT TRUE OR v_lower[v_place] >= keep_lower;
        EXIT WHEN keep_lower > v_upper[v_place] + v_hole AND v_rest * 100 < v_total;
        keep_lower := v_lower[v_place];
        v_rest := v_rest - v_rows[v_place];
    END LOOP;
    v_rest := (SELECT pg_catalog.sum(r.rows) FROM ROWS FROM (pg_catalog.unnest(v_lower), pg_catalog.unnest(v_rows)) AS r (lower, rows)
               WHERE v_gap @> r.lower AND r.lower >= keep_upper);
    FOR v_place IN 1..v_count LOOP
        CONTINUE WHEN v_gap @> v_lower[v_place] IS NOT TRUE OR v_lower[v_place] < keep_upper;
        EXIT WHEN v_gap @> v_now OR v_lower[v_place] > keep_upper + v_hole AND v_rest * 100 < v_total;
        keep_upper := v_upper[v_place];
        v_rest := v_rest - v_rows[v_place];
    END LOOP;

    SELECT pg_catalog.count(*), coalesce(pg_catalog.array_agg(r.lower) FILTER (WHERE r.place <= v_most), '{}'),
           coalesce(pg_catalog.array_agg(r.upper) FILTER (WHERE r.place <= v_most), '{}')
    INTO v_count, lowers, uppers
    FROM (
        SELECT x.lower, x.upper, pg_catalog.row_number() OVER (ORDER BY x.lower) AS place
        FROM ROWS FROM (pg_catalog.unnest(v_lower), pg_catalog.unnest(v_upper)) AS x (lower, upper)
        WHERE (x.lower >= keep_lower AND x.upper <= keep_upper) IS NOT TRUE
    ) AS r;
    is_last := v_count <= v_most;
    SELECT v_count + pg_catalog.count(*) INTO v_leaves FROM dbperf.partition_bounds(drain_plan.relation);
    IF v_leaves > dbperf.partition_capacity(drain_plan.relation) THEN
        RAISE EXCEPTION 'the rows of % need % partitions: with more than % a query without a time could fill the server''s lock table',
            drain_plan.part, v_leaves, dbperf.partition_capacity(drain_plan.relation)
            USING ERRCODE = 'program_limit_exceeded', HINT = 'Raise max_locks_per_transaction, make the policy''s interval longer, or correct rows that are far outside.';
    END IF;
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION dbperf.drain_plan(regclass, regclass) IS
    'What to do next with the DEFAULT partition: the range for which it becomes an ordinary partition, NULL if it is to go; intervals whose rows move into partitions of their own, a few at a time; whether they are the last ones. Reads all of it. Locks: ACCESS SHARE on the partition.';
