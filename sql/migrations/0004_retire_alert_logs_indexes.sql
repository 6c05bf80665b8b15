-- Four of ten indexes keep every listed query and the foreign keys; six only slow the inserts.
-- transactional: false
-- depends: 0003_retire_market_data_indexes
SELECT statement FROM dbperf.ensure_index(dbperf.trading_relation('alert_logs'), 'ix_alert_logs_recent', 'timestamp', 'fired_status', 'instrument_id');

SELECT statement FROM dbperf.ensure_index(dbperf.trading_relation('alert_logs'), 'ix_alert_logs_rule_timestamp', 'rule_id', 'timestamp');

SELECT statement FROM dbperf.ensure_index(dbperf.trading_relation('alert_logs'), 'ix_alert_logs_instrument', 'instrument_id');

SELECT statement FROM dbperf.ensure_index(dbperf.trading_relation('alert_logs'), 'ix_alert_logs_delivery_status', 'delivery_status');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('alert_logs'), 'evaluation_time_ms');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('alert_logs'), 'fired_status');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('alert_logs'), 'rule_id');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('alert_logs'), 'timestamp');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('alert_logs'), 'timestamp', 'instrument_id');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('alert_logs'), 'timestamp', 'rule_id');
