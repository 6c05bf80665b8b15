SELECT statement FROM dbperf.restore_indexes(dbperf.trading_relation('market_data'));
