CREATE OR REPLACE FUNCTION dbperf.make_template(relation regclass)
RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
DECLARE
    v_template regclass;
    v_name text;
    v_owner name;
    v_statement text;
BEGIN
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', make_template.relation);
    SELECT c.oid INTO v_template FROM dbperf.partition_policy AS p LEFT JOIN pg_catalog.pg_class AS c ON c.oid = p.template WHERE p.relation = make_template.relation;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has no partition policy', make_template.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind) VALUES (...).';
    ELSIF v_template IS NOT NULL THEN
        RETURN v_template;
    END IF;

    v_name := dbperf.name_beside(make_template.relation, '_template', 50);
    v_owner := (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c WHERE c.oid = make_template.relation);
    EXECUTE pg_catalog.format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING STATISTICS)', v_name, make_template.relation);
    EXECUTE pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT a_template_for_partitions_has_no_rows CHECK (false) NO INHERIT', v_name);
    EXECUTE pg_catalog.format('COMMENT ON TABLE %s IS %L', v_name, pg_catalog.format(
        'Template of the partitions of %s: storage parameters, statistics targets, privileges, row security and triggers that are set here arrive on all of them with dbperf.maintain(). Holds no rows.', make_template.relation));
    v_template := v_name::regclass;

    -- it begins as the partition that ends last: whoever has set up partitions by hand loses nothing
    UPDATE dbperf.partition_policy AS p SET template = (
        SELECT b.leaf FROM dbperf.partition_bounds(make_template.relation) AS b JOIN pg_catalog.pg_class AS c ON c.oid = b.leaf AND c.relkind = 'r'
        ORDER BY b.upper DESC NULLS LAST LIMIT 1
    ) WHERE p.relation = make_template.relation;
    FOR v_statement IN SELECT d.statement FROM dbperf.template_differences(make_template.relation, v_template) AS d LOOP
        EXECUTE v_statement;
    END LOOP;
    UPDATE dbperf.partition_policy AS p SET template = v_template WHERE p.relation = make_template.relation;
    IF v_owner <> CURRENT_USER THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO %I', v_template, v_owner);
    END IF;
    RETURN v_template;
END
$$;

COMMENT ON FUNCTION dbperf.make_template(regclass) IS
    'Makes an empty table beside the table, with the settings of its last partition, and names it in the policy; one that is there is returned. What is set on it arrives on every partition. Locks: SHARE UPDATE EXCLUSIVE on the table, ACCESS SHARE on the last partition.';
