CREATE OR REPLACE FUNCTION dbperf.trading_relation(name name)
RETURNS regclass
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.relation
    FROM dbperf.trading_table AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
    WHERE t.name = trading_relation.name
$$;

COMMENT ON FUNCTION dbperf.trading_relation(name) IS
    'The trading table that was adopted or made under this name, whatever it is called now; NULL if it was dropped. Locks: none.';
