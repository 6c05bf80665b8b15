CREATE OR REPLACE FUNCTION dbperf.partition_steps(relation regclass)
RETURNS text[]
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than all the rest
SET timezone = 'UTC' -- bounds are shown in it
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    v_type oid;
    v_leaves oid[];
BEGIN
    SELECT a.atttypid INTO v_type
    FROM pg_catalog.pg_partitioned_table AS t
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = (t.partattrs::smallint[])[0]
    WHERE t.partrelid = partition_steps.relation AND t.partstrat = 'r' AND t.partnatts = 1
      AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'bigint'::regtype, 'integer'::regtype, 'uuid'::regtype);
    IF NOT FOUND THEN
        RETURN '{}';
    END IF;
    -- All bounds of 2,000 partitions take 15 ms. A few say enough: every 256th by age, and closer to both ends,
    -- because most tables got their partitions in the order of time, some in the reverse; but not closer than 16: to plan for
    -- so many takes no longer than for two pieces, and the newest ones are empty.
    SELECT pg_catalog.array_agg(i.inhrelid ORDER BY i.inhrelid DESC) INTO v_leaves
    FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = partition_steps.relation;
    RETURN (
        SELECT coalesce(
            pg_catalog.array_agg(
                s.bound ORDER BY
                CASE WHEN v_type = 'timestamp'::regtype THEN s.bound::timestamp without time zone END DESC,
                CASE WHEN v_type = 'timestamptz'::regtype THEN s.bound::timestamp with time zone END DESC,
                CASE WHEN v_type = 'date'::regtype THEN s.bound::date END DESC,
                CASE WHEN v_type = 'uuid'::regtype THEN s.bound::uuid END DESC,
                CASE WHEN v_type IN ('bigint'::regtype, 'integer'::regtype) THEN s.bound::bigint END DESC
            ), '{}'
        )
        FROM (
            SELECT ( -- between 'FOR VALUES FROM (' and the parenthesis; a regular expression takes ten times as long
                -- a subquery: the planner would rather read all of pg_class than join a few rows of it
                SELECT nullif(nullif(pg_catalog.btrim(pg_catalog.split_part(pg_catalog.substr(pg_catalog.pg_get_expr(c.relpartbound, 0), 18), ')', 1), ''''), 'MINVALUE'), '')
                FROM pg_catalog.pg_class AS c WHERE c.oid = v_leaves[p.place]
            ) AS bound
            FROM (
                SELECT 1 << e FROM pg_catalog.generate_series(4, 7) AS e
                UNION SELECT pg_catalog.cardinality(v_leaves) - (1 << e) FROM pg_catalog.generate_series(4, 7) AS e
                UNION SELECT pg_catalog.generate_series(256, pg_catalog.cardinality(v_leaves), 256)
            ) AS p (place)
            WHERE p.place BETWEEN 1 AND pg_catalog.cardinality(v_leaves)
        ) AS s
        WHERE s.bound IS NOT NULL
    );
END
$$;

COMMENT ON FUNCTION dbperf.partition_steps(regclass) IS
    'Where to cut the time of a partitioned table so that each piece is a few of its partitions: some of their lower bounds, newest first, as literals of the key; 16, 32, 64, 128, then 256 partitions apart if they were made in the order of time, roughly that otherwise. Only for speed: pieces between them, and before and after, are all there is whatever they are. Empty where the key is not a time, an integer or a UUID. Locks: none.';
