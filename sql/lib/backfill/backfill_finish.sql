CREATE OR REPLACE PROCEDURE dbperf.backfill_finish(leaf regclass)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_patience CONSTANT integer := 10; -- the work is long, and its last lock short
    v_attach CONSTANT text := 'SELECT dbperf.backfill_attach(';
    v_statement text;
BEGIN
    IF EXISTS (
        SELECT FROM dbperf.backfill AS b JOIN pg_catalog.pg_inherits AS i ON i.inhrelid OPERATOR(pg_catalog.=) b.leaf AND i.inhparent OPERATOR(pg_catalog.=) b.relation
        WHERE b.leaf OPERATOR(pg_catalog.=) backfill_finish.leaf AND b.state OPERATOR(pg_catalog.=) 'attached'
    ) THEN
        RAISE NOTICE '% is a partition already', backfill_finish.leaf;
        RETURN;
    END IF;
    PERFORM dbperf.backfill_check(backfill_finish.leaf);
    LOOP
        SELECT w.statement INTO v_statement FROM dbperf.backfill_work(backfill_finish.leaf) AS w LIMIT 1;
        EXIT WHEN v_statement IS NULL;
        IF pg_catalog.starts_with(v_statement, v_attach) THEN -- before anybody can ask it something
            CALL dbperf.run_online(pg_catalog.format('ANALYZE %s', backfill_finish.leaf), v_patience);
        END IF;
        CALL dbperf.run_online(pg_catalog.format('SELECT dbperf.backfill_step(%L, %L)', backfill_finish.leaf, v_statement), v_patience);
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.backfill_finish(regclass) IS
    'Makes a table that was filled a partition: indexes, keys, statistics, then attached, each step a transaction of its own; called again it goes on where it stopped. maintenance_work_mem and max_parallel_maintenance_workers are the caller''s. Rows that contradict a key are named, nobody sees any until they are mended and this is called again. Raises 55P03 after ten times 50 ms. Locks: as the statements of dbperf.backfill_work().';
