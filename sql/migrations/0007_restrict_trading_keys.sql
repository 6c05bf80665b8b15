-- One DELETE of an instrument must not erase its history. Each key is added anew with RESTRICT, NOT VALID,
-- validated, and only then does the old one go; dbperf.key_change keeps what it was.
-- transactional: false
-- depends: 0006_create_integrity
SELECT statement FROM dbperf.restrict_keys(dbperf.trading_relation('alert_rules'));

SELECT statement FROM dbperf.restrict_keys(dbperf.trading_relation('market_data'));

SELECT statement FROM dbperf.restrict_keys(dbperf.trading_relation('alert_logs'));
