CREATE OR REPLACE FUNCTION dbperf.refuse_stranded_children(relation regclass, deleted_too boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    v_key record;
    v_is_met boolean;
BEGIN
    FOR v_key IN
        SELECT k.key, k.name, k.child, dbperf.has_soft_delete(k.child) AND NOT (
                   refuse_stranded_children.deleted_too
                   -- its own marked rows leave in the same statement
                   AND coalesce(pg_catalog.pg_partition_root(k.child), k.child) <> coalesce(pg_catalog.pg_partition_root(k.parent), k.parent)
               ) AS only_live
        FROM dbperf.inbound_keys(refuse_stranded_children.relation) AS k
    LOOP
        EXECUTE pg_catalog.format(
            'SELECT pg_catalog.count(*) > 0 FROM %s AS p WHERE p.deleted_at IS NOT NULL AND EXISTS (SELECT FROM %s AS c WHERE %s%s)',
            refuse_stranded_children.relation, v_key.child, dbperf.key_match(v_key.key, 'c', 'p'), CASE WHEN v_key.only_live THEN ' AND c.deleted_at IS NULL' END
        ) INTO v_is_met;
        IF v_is_met THEN
            RAISE EXCEPTION 'deleted rows of % cannot be set aside: rows of % reference them', refuse_stranded_children.relation, v_key.child
                USING ERRCODE = 'foreign_key_violation',
                      DETAIL = pg_catalog.format('Foreign key %I.', v_key.name),
                      HINT = CASE WHEN v_key.only_live OR NOT dbperf.has_soft_delete(v_key.child)
                                  THEN 'dbperf.verify() lists them: delete those rows too, or bring back what they reference with dbperf.undelete().'
                                  ELSE pg_catalog.format('SELECT dbperf.disable_soft_delete(%L) first.', v_key.child::text) END;
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_stranded_children(regclass, boolean) IS
    'Raises 23503 if live rows of other tables, or also deleted ones, reference deleted rows of the table, which then cannot leave it. Locks: ACCESS SHARE on the table and those that reference it.';
