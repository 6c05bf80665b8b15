CREATE OR REPLACE FUNCTION dbperf.backfill_attach(leaf regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_relation regclass;
    v_bounds text[];
    v_template boolean;
    v_referenced regclass[];
    v_reason text;
    v_statement text;
    v_fault record;
BEGIN
    SELECT f.* INTO v_fault FROM dbperf.backfill_faults(backfill_attach.leaf, 'deleted') AS f LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a referenced row is marked as deleted' USING ERRCODE = 'foreign_key_violation', DETAIL = '', HINT = 'dbperf.undelete() it, or delete the rows that reference it.';
    END IF;
    PERFORM dbperf.backfill_hold(backfill_attach.leaf);
    PERFORM dbperf.backfill_check(backfill_attach.leaf);
    IF EXISTS (SELECT FROM dbperf.backfill_work(backfill_attach.leaf) AS w WHERE w.statement NOT LIKE 'SELECT %') THEN
        RETURN; -- the table has got an index or a key meanwhile: ATTACH would make it, under its locks
    END IF;

    SELECT b.relation, p.template IS NOT NULL INTO v_relation, v_template
    FROM dbperf.backfill AS b JOIN dbperf.partition_policy AS p ON p.relation = b.relation
    WHERE b.leaf = backfill_attach.leaf AND b.ended_at IS NULL;
    v_bounds := dbperf.partition_range(backfill_attach.leaf);
    PERFORM dbperf.backfill_end(backfill_attach.leaf, 'attached');
    PERFORM dbperf.prepare_partition(v_relation, backfill_attach.leaf, v_template);

    -- last: writers wait until the transaction ends. ATTACH makes the leaf's keys the table's, for which their triggers on the
    -- referenced tables go: that takes ACCESS EXCLUSIVE there, for milliseconds
    v_referenced := ARRAY(
        SELECT DISTINCT k.confrelid FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = v_relation AND k.contype = 'f' AND k.conparentid = 0 AND pg_catalog.has_table_privilege(k.confrelid, 'UPDATE') ORDER BY 1
    );
    v_reason := dbperf.rebuild_try_lock(v_referenced, 'ACCESS EXCLUSIVE');
    IF v_reason IS NOT NULL THEN
        RAISE EXCEPTION '% is not to be had', v_referenced USING ERRCODE = 'lock_not_available', DETAIL = v_reason, HINT = 'Call this again.';
    END IF;
    PERFORM pg_catalog.set_config('lock_timeout', '50', true);
    EXECUTE pg_catalog.format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', v_relation, backfill_attach.leaf, v_bounds[1], v_bounds[2]);
    FOR v_statement IN
        SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
        FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = backfill_attach.leaf AND k.contype = 'c' AND k.conname IN ('dbperf_backfill', 'dbperf_backfill_marks')
    LOOP
        EXECUTE v_statement;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.backfill_attach(regclass) IS
    'Last step of dbperf.backfill_finish(): makes the table a partition, with the template and the triggers of one, and everybody sees its rows; does nothing if something is left to be done before. Raises 23503 for rows whose referenced row is marked as deleted. Locks: SHARE UPDATE EXCLUSIVE on the partitioned table, ACCESS EXCLUSIVE on the leaf and the load table; at the end ACCESS EXCLUSIVE on the tables that it references, waited for 50 ms in all, and not while an older transaction holds one (55P03).';
