CREATE OR REPLACE PROCEDURE dbperf.rebuild_settle(relation regclass)
LANGUAGE plpgsql -- no SET search_path: a procedure that has one cannot COMMIT
AS $$
DECLARE
    v_patience CONSTANT integer := 10; -- whoever is busy enough to be rebuilt is busy then too
    v_statement text;
BEGIN
    CALL dbperf.run_online(pg_catalog.format('SELECT dbperf.rebuild_tidy(%L)', rebuild_settle.relation));
    FOREACH v_statement IN ARRAY (SELECT b.afterwards FROM dbperf.rebuild_sides(rebuild_settle.relation) AS s JOIN dbperf.rebuild AS b ON b.id OPERATOR(pg_catalog.=) s.id) LOOP
        IF dbperf.rebuild_is_needed(v_statement) THEN
            CALL dbperf.run_online(v_statement, v_patience);
        END IF;
        UPDATE dbperf.rebuild AS b SET afterwards = pg_catalog.array_remove(b.afterwards, v_statement)
        FROM dbperf.rebuild_sides(rebuild_settle.relation) AS s WHERE b.id OPERATOR(pg_catalog.=) s.id;
        COMMIT;
    END LOOP;
    FOREACH v_statement IN ARRAY ARRAY(SELECT r.statement FROM dbperf.rebuild_reference_statements(rebuild_settle.relation) AS r) LOOP
        CALL dbperf.run_online(v_statement, v_patience);
    END LOOP;
END
$$;

COMMENT ON PROCEDURE dbperf.rebuild_settle(regclass) IS
    'Does what the last swap left to be done while nobody waits: triggers of the table that is not used any more go, foreign keys, its own and those of others, are validated, partitions get their names. Locks: as dbperf.rebuild_tidy(); SHARE UPDATE EXCLUSIVE on the table and those that reference it, as dbperf.rebuild_reference_statements(); ACCESS EXCLUSIVE on partitions that are renamed, for milliseconds.';
