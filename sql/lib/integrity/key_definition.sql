CREATE OR REPLACE FUNCTION dbperf.key_definition(
    key oid, on_delete "char", on_update "char", delete_columns name[], is_deferrable boolean, is_deferred boolean
)
RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.format(
        'FOREIGN KEY (%s) REFERENCES %s (%s)%s%s%s%s%s%s',
        (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY u.place)
         FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum),
        k.confrelid::regclass,
        (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY u.place)
         FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u (attnum, place)
         JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.attnum),
        CASE k.confmatchtype WHEN 'f' THEN ' MATCH FULL' END,
        ' ON UPDATE ' || CASE key_definition.on_update WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' WHEN 'r' THEN 'RESTRICT' END,
        ' ON DELETE ' || CASE key_definition.on_delete WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' WHEN 'r' THEN 'RESTRICT' END,
        (SELECT ' (' || pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ') || ')' FROM pg_catalog.unnest(key_definition.delete_columns) AS u (name)),
        CASE WHEN key_definition.is_deferrable THEN ' DEFERRABLE' END,
        CASE WHEN key_definition.is_deferred THEN ' INITIALLY DEFERRED' END
    )
    FROM pg_catalog.pg_constraint AS k
    WHERE k.oid = key_definition.key
$$;

COMMENT ON FUNCTION dbperf.key_definition(oid, "char", "char", name[], boolean, boolean) IS
    'The foreign key as ADD CONSTRAINT wants it, with these actions (letters as in pg_constraint) instead of its own. Locks: none.';
