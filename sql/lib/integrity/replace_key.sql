CREATE OR REPLACE FUNCTION dbperf.replace_key(
    relation regclass, key_name name, on_delete "char", on_update "char", delete_columns name[],
    is_deferrable boolean, is_deferred boolean, leaf_names jsonb, comment text
)
RETURNS TABLE (statement text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_temporary CONSTANT name := dbperf.temporary_key_name(replace_key.key_name);
    v_stands record; -- what has the key's name
    v_comes record; -- what is to have it
    v_definition text;
    v_is_partitioned boolean;
    v_leaf record;
BEGIN
    SELECT k.*, k.confdeltype = replace_key.on_delete AND k.confupdtype = replace_key.on_update
           AND k.condeferrable = replace_key.is_deferrable AND k.condeferred = replace_key.is_deferred AS is_it
    INTO v_stands FROM pg_catalog.pg_constraint AS k
    WHERE k.conrelid = replace_key.relation AND k.contype = 'f' AND k.conname = replace_key.key_name;
    SELECT k.* INTO v_comes FROM pg_catalog.pg_constraint AS k
    WHERE k.conrelid = replace_key.relation AND k.contype = 'f' AND k.conname = v_temporary;
    SELECT c.relkind = 'p' INTO v_is_partitioned FROM pg_catalog.pg_class AS c WHERE c.oid = replace_key.relation;

    RETURN QUERY -- a change that was interrupted between its last steps, in whichever direction
        SELECT pg_catalog.format(
            'ALTER TABLE %s RENAME CONSTRAINT %I TO %I', l.conrelid::regclass, v_temporary, coalesce(replace_key.leaf_names ->> l.conrelid::text, replace_key.key_name)
        )
        FROM dbperf.table_tree(replace_key.relation) AS t (relation)
        JOIN pg_catalog.pg_constraint AS l ON l.conrelid = t.relation AND l.contype = 'f' AND l.conname = v_temporary
        WHERE t.relation <> replace_key.relation AND dbperf.root_key(l.oid) = v_stands.oid
        ORDER BY l.conrelid;

    IF v_stands.oid IS NOT NULL AND NOT v_stands.is_it THEN
        v_definition := dbperf.key_definition(
            v_stands.oid, replace_key.on_delete, replace_key.on_update, replace_key.delete_columns, replace_key.is_deferrable, replace_key.is_deferred
        );
        -- the new key is there, and checked, before the old one goes
        FOR v_leaf IN
            SELECT t.relation, k.oid AS key, k.convalidated AS is_valid
            FROM dbperf.table_tree(replace_key.relation) AS t (relation)
            JOIN pg_catalog.pg_class AS c ON c.oid = t.relation AND c.relkind = 'r'
            LEFT JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.relation AND k.contype = 'f' AND k.conname = v_temporary AND dbperf.root_key(k.oid) <> v_stands.oid
            ORDER BY t.relation
        LOOP
            IF v_leaf.key IS NULL THEN
                statement := pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', v_leaf.relation, v_temporary, v_definition);
                RETURN NEXT;
            END IF;
            IF v_leaf.is_valid IS NOT TRUE AND v_stands.convalidated THEN
                statement := pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', v_leaf.relation, v_temporary);
                RETURN NEXT;
            END IF;
        END LOOP;
        IF v_is_partitioned AND v_comes.oid IS NULL THEN -- takes over those of the partitions, without reading them
            statement := pg_catalog.format(
                'ALTER TABLE %s ADD CONSTRAINT %I %s%s', replace_key.relation, v_temporary, v_definition, CASE WHEN NOT v_stands.convalidated THEN ' NOT VALID' END
            );
            RETURN NEXT;
        END IF;
        RETURN QUERY -- the comments on the keys of the partitions would go with those
            SELECT pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', v_temporary, l.conrelid::regclass, pg_catalog.obj_description(l.oid, 'pg_constraint'))
            FROM dbperf.table_tree(replace_key.relation) AS t (relation)
            JOIN pg_catalog.pg_constraint AS l ON l.conrelid = t.relation AND l.contype = 'f' AND l.conparentid <> 0 AND l.confrelid = v_stands.confrelid
            LEFT JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.relation AND k.contype = 'f' AND k.conname = v_temporary AND dbperf.root_key(k.oid) <> v_stands.oid
            WHERE t.relation <> replace_key.relation AND dbperf.root_key(l.oid) = v_stands.oid
              AND pg_catalog.obj_description(l.oid, 'pg_constraint') IS DISTINCT FROM pg_catalog.obj_description(k.oid, 'pg_constraint')
            ORDER BY l.conrelid;
        statement := pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', replace_key.relation, replace_key.key_name);
        RETURN NEXT;
    ELSIF v_stands.is_it THEN
        RETURN QUERY -- what an interrupted change in the other direction left
            SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
            FROM pg_catalog.pg_constraint AS k
            WHERE k.conrelid IN (SELECT dbperf.table_tree(replace_key.relation)) AND k.contype = 'f' AND k.conname = v_temporary AND k.conparentid = 0
            ORDER BY k.conrelid;
    ELSIF v_comes.oid IS NULL THEN
        RETURN; -- somebody dropped it
    END IF;

    IF v_stands.is_it IS NOT TRUE THEN
        statement := pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', replace_key.relation, v_temporary, replace_key.key_name);
        RETURN NEXT;
    END IF;
    FOR v_leaf IN
        -- a partition that came since has no name kept
        SELECT t.relation, coalesce(replace_key.leaf_names ->> t.relation::oid::text, replace_key.key_name) AS name
        FROM dbperf.table_tree(replace_key.relation) AS t (relation)
        WHERE t.relation <> replace_key.relation AND v_stands.is_it IS NOT TRUE
        ORDER BY t.relation
    LOOP
        statement := pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', v_leaf.relation, v_temporary, v_leaf.name);
        RETURN NEXT;
    END LOOP;
    IF v_stands.is_it AND v_comes.oid IS NULL THEN
        RETURN QUERY -- the server chose names for the partitions of the referenced table
            SELECT pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', replace_key.relation, l.conname, replace_key.leaf_names ->> l.confrelid::text)
            FROM pg_catalog.pg_constraint AS l
            WHERE l.conrelid = replace_key.relation AND l.contype = 'f' AND l.conparentid <> 0 AND l.confrelid <> v_stands.confrelid
              AND dbperf.root_key(l.oid) = v_stands.oid AND l.conname <> replace_key.leaf_names ->> l.confrelid::text
              AND l.confrelid NOT IN (SELECT dbperf.table_tree(replace_key.relation))
            ORDER BY l.confrelid;
    END IF;
    IF replace_key.comment IS DISTINCT FROM (CASE WHEN v_stands.is_it THEN pg_catalog.obj_description(v_stands.oid, 'pg_constraint') END) THEN
        statement := pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', replace_key.key_name, replace_key.relation, replace_key.comment);
        RETURN NEXT;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.replace_key(regclass, name, "char", "char", name[], boolean, boolean, jsonb, text) IS
    'Statements still to run until the foreign key has these actions, under its name, here and on the partitions: the new one is added NOT VALID and validated on each partition before the old one goes. Locks: ACCESS SHARE on the partitions; the statements say theirs.';
