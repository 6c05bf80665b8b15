CREATE OR REPLACE FUNCTION dbperf.own_partition(relation regclass, leaf regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_owner name;
    v_grantee text;
BEGIN
    FOR v_grantee IN
        SELECT DISTINCT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END
        FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS g
        WHERE c.oid = own_partition.leaf AND g.grantee <> c.relowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', own_partition.leaf, v_grantee);
    END LOOP;
    SELECT pg_catalog.pg_get_userbyid(c.relowner) INTO v_owner
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_class AS l ON l.oid = own_partition.leaf AND l.relowner <> c.relowner
    WHERE c.oid = own_partition.relation;
    IF FOUND THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO %I', own_partition.leaf, v_owner);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.own_partition(regclass, regclass) IS
    'Gives a new partition the owner of its table, and takes away what default privileges granted: whoever may read the table reads its partitions through it, where row security sees to it. Locks: ACCESS EXCLUSIVE on the partition if it has another owner.';
