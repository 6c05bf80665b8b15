CREATE OR REPLACE FUNCTION dbperf.attach_partition(relation regclass, name text, template boolean, lower text, upper text)
RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
DECLARE
    v_leaf regclass;
BEGIN
    -- ATTACH makes the indexes, the foreign keys and the row triggers. One's own foreign key would need ACCESS EXCLUSIVE
    -- on the table that it references.
    EXECUTE pg_catalog.format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY)', attach_partition.name, attach_partition.relation);
    v_leaf := attach_partition.name::regclass;
    PERFORM dbperf.prepare_partition(attach_partition.relation, v_leaf, attach_partition.template);
    -- the locks on the referenced tables come one after the other, and each holds up writers while the next is waited for
    PERFORM pg_catalog.set_config('lock_timeout', greatest(50 / greatest(pg_catalog.count(DISTINCT k.confrelid), 1), 5)::text, true)
    FROM pg_catalog.pg_constraint AS k
    WHERE k.conrelid = attach_partition.relation AND k.contype = 'f';
    EXECUTE pg_catalog.format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', attach_partition.relation, v_leaf, attach_partition.lower, attach_partition.upper);
    IF attach_partition.template AND EXISTS (
        SELECT FROM dbperf.partition_policy AS p
        JOIN pg_catalog.pg_index AS i ON i.indrelid = p.template AND (i.indisreplident OR i.indisclustered)
        WHERE p.relation = attach_partition.relation
    ) THEN -- what names an index: it has them now
        PERFORM dbperf.match_template(attach_partition.relation, v_leaf);
    END IF;
    RETURN v_leaf;
END
$$;

COMMENT ON FUNCTION dbperf.attach_partition(regclass, text, boolean, text, text) IS
    'Makes an empty table of this name like the partitioned one and attaches it between two bounds; with its template''s settings, or without. Locks: as dbperf.create_partition().';
