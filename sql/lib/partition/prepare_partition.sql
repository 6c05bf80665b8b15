CREATE OR REPLACE FUNCTION dbperf.prepare_partition(relation regclass, leaf regclass, template boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbperf.own_partition(prepare_partition.relation, prepare_partition.leaf);
    IF prepare_partition.template THEN
        PERFORM dbperf.match_template(prepare_partition.relation, prepare_partition.leaf);
    END IF;
    PERFORM dbperf.make_soft_delete_guards(prepare_partition.relation, ARRAY[prepare_partition.leaf]);
    IF pg_catalog.to_regclass('dbperf.rebuild') IS NOT NULL THEN
        PERFORM dbperf.rebuild_guards(prepare_partition.relation, ARRAY[prepare_partition.leaf])
        FROM dbperf.rebuild AS b
        WHERE b.ended_at IS NULL AND prepare_partition.relation = CASE b.state WHEN 'cut over' THEN b.target ELSE b.source END;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.prepare_partition(regclass, regclass, boolean) IS
    'Gives a table that is about to become a partition the owner, the settings of the template if it shall have them, and the triggers of soft delete and of a rebuild. Locks: ACCESS EXCLUSIVE on that table.';
