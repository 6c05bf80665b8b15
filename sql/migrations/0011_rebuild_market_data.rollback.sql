SELECT statement FROM dbperf.downgrade_table('market_data');
