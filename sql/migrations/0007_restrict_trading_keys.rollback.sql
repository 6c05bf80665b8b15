SELECT statement FROM dbperf.restore_keys(dbperf.trading_relation('alert_logs'));

SELECT statement FROM dbperf.restore_keys(dbperf.trading_relation('market_data'));

SELECT statement FROM dbperf.restore_keys(dbperf.trading_relation('alert_rules'));
