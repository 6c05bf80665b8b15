CREATE OR REPLACE FUNCTION dbperf.refuse_cascade(relation regclass, key_name name)
RETURNS void
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF dbperf.has_soft_delete(refuse_cascade.relation) THEN
        RAISE EXCEPTION 'foreign key % of % cannot cascade again while the table has soft delete',
            pg_catalog.quote_ident(refuse_cascade.key_name), refuse_cascade.relation
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'The rows would become orphans.',
                  HINT = pg_catalog.format('SELECT dbperf.disable_soft_delete(%L) first.', refuse_cascade.relation::text);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_cascade(regclass, name) IS
    'Raises 55000 while the table has soft delete: a cascade into it would leave orphans. Locks: none.';
