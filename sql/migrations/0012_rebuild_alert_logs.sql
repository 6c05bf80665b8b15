-- Quarterly partitions, values as double precision, ids as bigint, as 0011 for ticks.
-- rebuild: true
-- transactional: false
-- depends: 0011_rebuild_market_data
SELECT statement FROM dbperf.upgrade_table('alert_logs');
