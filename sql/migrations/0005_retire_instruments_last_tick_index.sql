-- Every tick updates instruments.last_tick; an index on it forbids heap-only (HOT) updates, so each
-- of them writes into every index of the table. No listed query reads it.
-- transactional: false
-- depends: 0004_retire_alert_logs_indexes
SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('instruments'), 'last_tick');
