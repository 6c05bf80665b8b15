-- A DELETE marks the row. Ticks and alerts arrive by the thousand: no trigger on their INSERT. The partial
-- index is for undelete and purge; live rows are not in it.
-- transactional: false
-- depends: 0007_restrict_trading_keys
SELECT statement FROM dbperf.ensure_soft_delete(dbperf.trading_relation('instruments'), hot => false);

SELECT statement FROM dbperf.ensure_soft_delete(dbperf.trading_relation('alert_rules'), hot => false);

SELECT statement FROM dbperf.ensure_soft_delete(dbperf.trading_relation('market_data'), hot => true);

SELECT statement FROM dbperf.ensure_soft_delete(dbperf.trading_relation('alert_logs'), hot => true);
