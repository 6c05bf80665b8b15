SELECT statement FROM dbperf.restore_indexes(dbperf.trading_relation('instruments'));
