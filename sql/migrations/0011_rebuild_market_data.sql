-- Monthly partitions, prices as double precision, ids as bigint: one copy of the table, made while it is written to.
-- dbperf.make_market_data() has the table as it will be. The table as it was stays, and is kept in step, until
-- dbperf rebuild finalize market_data.
-- rebuild: true
-- transactional: false
-- depends: 0010_create_rebuild
SELECT statement FROM dbperf.upgrade_table('market_data');
