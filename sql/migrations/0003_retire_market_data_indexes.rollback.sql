SELECT statement FROM dbperf.restore_indexes('market_data');
