CREATE OR REPLACE FUNCTION dbperf.end_downgrade(live regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_partitioned regclass;
    v_former regclass;
    v_schema name;
    v_index record;
BEGIN
    SELECT s.shadow INTO v_partitioned FROM dbperf.rebuild_sides(end_downgrade.live) AS s;
    PERFORM dbperf.rebuild_finalize(end_downgrade.live);
    DELETE FROM dbperf.partition_policy AS p WHERE p.relation = v_partitioned;
    DELETE FROM dbperf.closed_partition AS c WHERE c.relation = v_partitioned;
    SELECT pg_catalog.to_regclass(pg_catalog.format('dbperf.former_%I', t.name)), n.nspname INTO v_former, v_schema
    FROM dbperf.trading_table AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE t.relation = end_downgrade.live;
    FOR v_index IN
        SELECT l.relname AS made, o.relname AS original
        FROM dbperf.like_indexes(v_former, end_downgrade.live) AS x
        JOIN pg_catalog.pg_class AS o ON o.oid = x.index
        JOIN pg_catalog.pg_class AS l ON l.oid = x.other_index AND l.relname <> o.relname
    LOOP
        EXECUTE pg_catalog.format('ALTER INDEX %I.%I RENAME TO %I', v_schema, v_index.made, v_index.original);
    END LOOP;
    EXECUTE pg_catalog.format('DROP TABLE %s', v_former);
END
$$;

COMMENT ON FUNCTION dbperf.end_downgrade(regclass) IS
    'Ends a rebuild in reverse: drops the partitioned table, whose rows are in the ordinary one, gives indexes their names back, and forgets what was kept for it. Locks: as dbperf.rebuild_finalize(), ACCESS EXCLUSIVE on indexes.';
