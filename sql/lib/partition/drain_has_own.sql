CREATE OR REPLACE FUNCTION dbperf.drain_has_own(part regclass)
RETURNS boolean
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        WHERE i.indrelid = drain_has_own.part AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = i.indexrelid)
    ) OR EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS g
        JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE g.tgrelid = drain_has_own.part AND NOT g.tgisinternal AND g.tgparentid = 0 AND n.nspname <> 'dbperf'
    ) OR EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = drain_has_own.part AND k.contype IN ('c', 'f') AND k.coninhcount = 0 AND k.conparentid = 0 AND k.conname <> 'dbperf_drain'
    ) OR EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = drain_has_own.part AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    ) OR EXISTS (
        SELECT FROM pg_catalog.pg_publication_rel AS r WHERE r.prrelid = drain_has_own.part
    );
END
$$;

COMMENT ON FUNCTION dbperf.drain_has_own(regclass) IS
    'Whether somebody made something on this partition alone: an index, trigger, constraint, view or publication. Locks: none.';
