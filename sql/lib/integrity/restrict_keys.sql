CREATE OR REPLACE FUNCTION dbperf.restrict_keys(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_new oid[];
    v_orphans record;
BEGIN
    v_new := ARRAY(
        SELECT k.oid
        FROM dbperf.outbound_keys(restrict_keys.relation) AS o
        JOIN pg_catalog.pg_constraint AS k ON k.oid = o.key
        WHERE (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
          AND coalesce(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') = 'true' -- since 18; one that is not enforced does nothing
          AND NOT EXISTS (
              SELECT FROM dbperf.key_change AS x
              WHERE x.relation = k.conrelid AND x.key_name = k.conname
                 OR (x.relation = k.conrelid OR x.relation IN (SELECT pg_catalog.pg_partition_ancestors(k.conrelid)))
                    AND dbperf.temporary_key_name(x.key_name) = k.conname
          )
    );

    -- beforehand, and once: rows that a checked key should not have let in would end the conversion half way
    FOR v_orphans IN
        SELECT o.key_name, o.parent, pg_catalog.count(DISTINCT o.row_key) AS rows, (pg_catalog.array_agg(DISTINCT o.row_key))[1:5] AS examples,
               bool_or(k.convalidated) AS was_checked
        FROM dbperf.orphans(restrict_keys.relation) AS o
        JOIN pg_catalog.pg_constraint AS k ON k.oid = ANY (v_new) AND k.conname = o.key_name
        WHERE v_new <> '{}' AND o.reason = 'missing'
        GROUP BY o.key_name, o.parent
    LOOP
        IF v_orphans.was_checked THEN
            RAISE EXCEPTION '% rows of % reference rows of % that are missing', v_orphans.rows, restrict_keys.relation, v_orphans.parent
                USING ERRCODE = 'DP003',
                      DETAIL = pg_catalog.format('Foreign key %I; for example %s.', v_orphans.key_name, pg_catalog.array_to_string(v_orphans.examples, ', ')),
                      HINT = pg_catalog.format('SELECT * FROM dbperf.orphans(%L) lists them; give them parents or remove them.', restrict_keys.relation::text);
        END IF;
        RAISE NOTICE 'orphans: % rows of % reference rows of % that are missing; key % stays NOT VALID',
            v_orphans.rows, restrict_keys.relation, v_orphans.parent, v_orphans.key_name;
    END LOOP;

    INSERT INTO dbperf.key_change (relation, key_name, on_delete, on_update, delete_columns, is_deferrable, is_deferred, comment, definition)
    SELECT k.conrelid, k.conname, k.confdeltype, k.confupdtype,
           ARRAY(SELECT a.attname FROM pg_catalog.unnest(k.confdelsetcols) WITH ORDINALITY AS u (attnum, place)
                 JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY u.place),
           k.condeferrable, k.condeferred,
           pg_catalog.obj_description(k.oid, 'pg_constraint'),
           pg_catalog.pg_get_constraintdef(k.oid)
    FROM pg_catalog.pg_constraint AS k
    WHERE k.oid = ANY (v_new);

    INSERT INTO dbperf.key_change_leaf (relation, key_name, leaf, leaf_key_name)
    -- of a partitioned table that is referenced too: errors name the key that the catalogue has for each of its partitions
    SELECT x.relation, x.key_name, CASE WHEN l.conrelid = k.conrelid THEN l.confrelid ELSE l.conrelid END, l.conname
    FROM dbperf.key_change AS x
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = x.relation AND k.contype = 'f' AND k.conname = x.key_name
    JOIN pg_catalog.pg_constraint AS l ON l.contype = 'f' AND l.conparentid <> 0 AND dbperf.root_key(l.oid) = k.oid
    WHERE x.relation IN (SELECT dbperf.table_tree(restrict_keys.relation))
      AND k.confdeltype = x.on_delete AND k.confupdtype = x.on_update -- not changed yet
      AND (l.conrelid = k.conrelid) <> (l.confrelid = k.confrelid)
    ORDER BY l.conrelid = k.conrelid -- a table that references itself: the name on the referencing partition
    ON CONFLICT ON CONSTRAINT key_change_leaf_pkey DO NOTHING;

    RETURN QUERY
        SELECT r.statement
        FROM dbperf.key_change AS x
        CROSS JOIN LATERAL dbperf.replace_key(
            x.relation, x.key_name,
            CASE WHEN x.on_delete NOT IN ('c', 'n', 'd') THEN x.on_delete WHEN dbperf.key_parent_waits(x.relation, x.key_name) THEN 'a' ELSE 'r' END,
            CASE WHEN x.on_update NOT IN ('c', 'n', 'd') THEN x.on_update WHEN dbperf.key_parent_waits(x.relation, x.key_name) THEN 'a' ELSE 'r' END,
            '{}',
            x.is_deferrable OR dbperf.key_parent_waits(x.relation, x.key_name),
            x.is_deferred OR dbperf.key_parent_waits(x.relation, x.key_name),
            dbperf.key_leaf_names(x.relation, x.key_name), x.comment
        ) WITH ORDINALITY AS r (statement, place)
        WHERE x.relation IN (SELECT dbperf.table_tree(restrict_keys.relation))
        ORDER BY x.relation, x.key_name, r.place;
END
$$;

COMMENT ON FUNCTION dbperf.restrict_keys(regclass) IS
    'Statements still to run until no foreign key of the table is ON DELETE or ON UPDATE CASCADE, SET NULL or SET DEFAULT; each is written to dbperf.key_change first. RESTRICT replaces them; NO ACTION DEFERRABLE INITIALLY DEFERRED if the referenced table is partitioned, whose soft delete needs that. Raises DP003 if rows have lost the row they reference. Locks: ACCESS SHARE on the table and those it references; the statements say theirs.';
