CREATE OR REPLACE FUNCTION dbperf.inbound_keys(relation regclass)
RETURNS TABLE (key oid, name name, child regclass, parent regclass, on_delete "char", waits boolean)
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        -- through the triggers of the keys, which have an index; pg_constraint has none on confrelid
        SELECT DISTINCT k.oid, k.conname, k.conrelid::regclass, k.confrelid::regclass, k.confdeltype, k.condeferred
        FROM dbperf.table_tree(coalesce(pg_catalog.pg_partition_root(inbound_keys.relation), inbound_keys.relation)) AS t (guarded)
        JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.guarded
        JOIN pg_catalog.pg_constraint AS k ON k.oid = g.tgconstraint
        WHERE k.contype = 'f' AND k.confrelid = t.guarded AND k.conparentid = 0;
END
$$;

COMMENT ON FUNCTION dbperf.inbound_keys(regclass) IS
    'Enforced foreign keys that reference the table, the partitioned table it belongs to, or one of the partitions: oid and name, both tables, what ON DELETE does (as in pg_constraint.confdeltype), whether it is INITIALLY DEFERRED. Locks: none.';
