CREATE OR REPLACE FUNCTION dbperf.purgeable(relation regclass)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key record;
    -- a transaction that began before the cutoff may have deleted, and committed, after it
    v_condition text := 'r.deleted_at < $1 AND NOT EXISTS (SELECT FROM dbperf.deletion AS x WHERE x.batch = r.deleted_batch AND x.recorded_at >= $1)';
BEGIN
    IF NOT dbperf.has_soft_delete(purgeable.relation) THEN
        RAISE EXCEPTION '% has no soft delete', purgeable.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Its owner enables it with dbperf.enable_soft_delete().';
    END IF;
    FOR v_key IN SELECT k.key, k.name, k.child, k.on_delete FROM dbperf.inbound_keys(purgeable.relation) AS k ORDER BY k.name LOOP
        IF v_key.on_delete NOT IN ('a', 'r') THEN
            RAISE EXCEPTION 'foreign key % of % would change rows there when % is purged', pg_catalog.quote_ident(v_key.name), v_key.child, purgeable.relation
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'CALL dbperf.restrict_cascades() for its schema first.';
        END IF;
        v_condition := v_condition || pg_catalog.format(
            ' AND NOT EXISTS (SELECT FROM %s AS c WHERE %s%s)', v_key.child, dbperf.key_match(v_key.key, 'c', 'r'),
            -- a row may reference itself
            CASE WHEN coalesce(pg_catalog.pg_partition_root(v_key.child), v_key.child) = coalesce(pg_catalog.pg_partition_root(purgeable.relation), purgeable.relation)
                 THEN ' AND (c.tableoid, c.ctid) IS DISTINCT FROM (r.tableoid, r.ctid)' END
        );
    END LOOP;
    RETURN v_condition;
END
$$;

COMMENT ON FUNCTION dbperf.purgeable(regclass) IS
    'SQL condition for the rows (called r) that may be erased: marked before $1, by the clock of the statement that did it, and referenced by no other row, alive or not. Raises 55000 if erasing would change other tables. Locks: ACCESS SHARE on the partitions.';
