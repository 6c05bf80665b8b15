CREATE OR REPLACE FUNCTION dbperf.rebuild_follow(live regclass, shadow regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    UPDATE dbperf.trading_table AS t SET relation = rebuild_follow.shadow WHERE t.relation = rebuild_follow.live;
    UPDATE dbperf.index_change AS t SET relation = rebuild_follow.shadow WHERE t.relation = rebuild_follow.live;
    UPDATE dbperf.key_change AS t SET relation = rebuild_follow.shadow WHERE t.relation = rebuild_follow.live;
    UPDATE dbperf.key_change_leaf AS t SET relation = rebuild_follow.shadow WHERE t.relation = rebuild_follow.live;
    UPDATE dbperf.settled_column AS t SET relation = rebuild_follow.shadow WHERE t.relation = rebuild_follow.live;
    UPDATE dbperf.deletion AS t SET relation = rebuild_follow.shadow WHERE t.relation = rebuild_follow.live;
    UPDATE dbperf.purge_log AS t SET relation = rebuild_follow.shadow WHERE t.relation = rebuild_follow.live;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_follow(regclass, regclass) IS
    'Makes what dbperf remembers about one table be about the other. Locks: ROW EXCLUSIVE on tables of dbperf.';
