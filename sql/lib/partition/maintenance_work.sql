CREATE OR REPLACE FUNCTION dbperf.maintenance_work(relation regclass, urgent boolean)
RETURNS TABLE (task text, statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms' -- definitions of policies and triggers are read under ACCESS SHARE
AS $$
BEGIN
    IF maintenance_work.urgent THEN
        RETURN QUERY -- one that was interrupted forbids every other change
            SELECT 'finish', pg_catalog.format('SELECT dbperf.finish_detach(%L, %L)', maintenance_work.relation, i.inhrelid::regclass)
            FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = maintenance_work.relation AND i.inhdetachpending;
        RETURN QUERY
            SELECT 'create', pg_catalog.format('SELECT dbperf.create_partition(%L, %L, %L)', maintenance_work.relation, w.lower, w.upper)
            FROM dbperf.wanted_partitions(maintenance_work.relation) AS w ORDER BY w.lower;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT 'close', pg_catalog.format('SELECT dbperf.close_partition(%L, %L)', maintenance_work.relation, d.leaf)
        FROM dbperf.due_partitions(maintenance_work.relation) AS d;
    IF NOT EXISTS (SELECT FROM dbperf.partition_policy AS p WHERE p.relation = maintenance_work.relation AND p.template IS NOT NULL) THEN
        RETURN; -- to compare them would lock the partitions
    END IF;
    RETURN QUERY
        SELECT DISTINCT 'change', pg_catalog.format('SELECT dbperf.match_template(%L, %L)', maintenance_work.relation, c.leaf)
        FROM dbperf.template_changes(maintenance_work.relation, ARRAY(SELECT dbperf.partition_leaves(maintenance_work.relation))) AS c;
END
$$;

COMMENT ON FUNCTION dbperf.maintenance_work(regclass, boolean) IS
    'What dbperf.maintain() has to do for a table, in order; each statement for a transaction of its own. What INSERTs need, if it is urgent: finish an interrupted DETACH CONCURRENTLY, create; else close, change. Raises 42P01 if the table is gone. Locks: ACCESS SHARE on the partitions of a table with a template, else none; the statements say theirs.';
