CREATE OR REPLACE FUNCTION dbperf.prepare_partition(relation regclass, leaf regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_owner name;
BEGIN
    SELECT pg_catalog.pg_get_userbyid(c.relowner) INTO v_owner
    FROM pg_catalog.pg_class AS c WHERE c.oid = prepare_partition.relation AND c.relowner <> CURRENT_USER::regrole;
    IF v_owner IS NOT NULL THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO %I', prepare_partition.leaf, v_owner);
    END IF;
    PERFORM dbperf.follow_template(prepare_partition.relation, prepare_partition.leaf);
    PERFORM dbperf.make_soft_delete_guards(prepare_partition.relation, ARRAY[prepare_partition.leaf]);
END
$$;

COMMENT ON FUNCTION dbperf.prepare_partition(regclass, regclass) IS
    'Gives a table that is about to become a partition the owner, the settings of the template and the triggers of soft delete. Locks: ACCESS EXCLUSIVE on that table.';
