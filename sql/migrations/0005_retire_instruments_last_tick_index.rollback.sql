SELECT statement FROM dbperf.restore_indexes('instruments');
