CREATE OR REPLACE PROCEDURE dbperf.maintain(relation regclass DEFAULT NULL)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_relations oid[];
    v_urgent boolean;
    v_place integer;
    v_logs bigint[];
    v_log bigint;
BEGIN
    v_relations := ARRAY(
        SELECT p.relation::oid FROM dbperf.partition_policy AS p
        WHERE NOT p.paused AND (maintain.relation IS NULL OR p.relation OPERATOR(pg_catalog.=) maintain.relation)
        ORDER BY p.relation::oid
    );
    -- what INSERTs need comes first, for every table; then what can wait
    FOREACH v_urgent IN ARRAY '{true,false}'::boolean[] LOOP
        FOR v_place IN 1..pg_catalog.cardinality(v_relations) LOOP
            v_log := v_logs[v_place];
            CALL dbperf.maintain_table(v_relations[v_place]::regclass, v_urgent, v_log);
            v_logs[v_place] := v_log;
        END LOOP;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.maintain(regclass) IS
    'Makes the partitions that the policies ask for, whether or not data arrives, then records closed ones, and gives the others what their template has; of one table or all. A row in dbperf.maintenance_log for each table. A table that fails is logged with its SQLSTATE and the others go on. Any number of sessions may call it at once. Locks: as dbperf.create_partition() and dbperf.match_template(), a transaction for each partition.';
