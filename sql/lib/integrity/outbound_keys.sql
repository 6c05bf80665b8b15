CREATE OR REPLACE FUNCTION dbperf.outbound_keys(relation regclass)
RETURNS TABLE (key oid, name name, child regclass, parent regclass, on_delete "char", columns name[])
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT k.oid, k.conname, k.conrelid::regclass, coalesce(pg_catalog.pg_partition_root(k.confrelid), k.confrelid), k.confdeltype,
               dbperf.column_names(k.conrelid, k.conkey)
        FROM dbperf.table_tree(coalesce(pg_catalog.pg_partition_root(outbound_keys.relation), outbound_keys.relation)) AS t (guarded)
        JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.guarded
        WHERE k.contype = 'f' AND k.conparentid = 0;
END
$$;

COMMENT ON FUNCTION dbperf.outbound_keys(regclass) IS
    'Foreign keys of the table, of the partitioned table it belongs to, and of the partitions: oid and name, both tables (a partitioned parent by its root), what ON DELETE does (as in pg_constraint.confdeltype), referencing columns. Locks: ACCESS SHARE on the partitions.';
