CREATE OR REPLACE FUNCTION dbperf.rebuild_set_aside(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET row_security = off
AS $$
DECLARE
    v_sides record;
    v_stuck bigint;
    v_side text;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_set_aside.relation) AS s;
    SELECT g.stuck INTO v_stuck FROM dbperf.rebuild_log_length(v_sides.id) AS g;
    IF coalesce(v_stuck, 0) = 0 THEN
        RETURN;
    END IF;
    -- the other table has one row of each key: the rest stays where everybody finds it
    v_side := dbperf.name_beside(v_sides.live, '_set_aside', 45);
    EXECUTE pg_catalog.format('CREATE TABLE %s AS SELECT l.* FROM %s AS l WHERE EXISTS (SELECT FROM %s AS g WHERE g.stuck AND %s)', v_side, v_sides.live, v_sides.log, (
        SELECT pg_catalog.string_agg(pg_catalog.format('g.k%s = l.%I', u.place, u.name), ' AND ') FROM pg_catalog.unnest(v_sides.live_key) WITH ORDINALITY AS u (name, place)
    ));
    EXECUTE pg_catalog.format('COMMENT ON TABLE %s IS %L', v_side, pg_catalog.format(
        'dbperf: all rows of the keys of which %s can hold only one; set aside when the rebuild was reverted.', v_sides.live));
    EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO %I', v_side, (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c WHERE c.oid = v_sides.live));
    EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', v_side); -- its owner's to grant, whatever default privileges say
    -- once the other table is used again, the target gets what that has
    EXECUTE pg_catalog.format('UPDATE %s AS g SET stuck = false WHERE g.stuck', v_sides.log);
    RAISE WARNING 'kept: rows of % keys that a unique key of % keeps out are in table %', v_stuck, v_sides.shadow, v_side;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_set_aside(regclass) IS
    'When a rebuild is reverted: puts all rows of keys that a unique key keeps out of the other table into a table of their own, <table>_set_aside, and says so. Locks: ACCESS SHARE on the table.';
