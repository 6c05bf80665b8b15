-- Rows that are marked move to <table>_deleted; children before the rows that they reference.
SELECT statement FROM dbperf.retire_soft_delete(dbperf.trading_relation('alert_logs'));

SELECT statement FROM dbperf.retire_soft_delete(dbperf.trading_relation('market_data'));

SELECT statement FROM dbperf.retire_soft_delete(dbperf.trading_relation('alert_rules'));

SELECT statement FROM dbperf.retire_soft_delete(dbperf.trading_relation('instruments'));
