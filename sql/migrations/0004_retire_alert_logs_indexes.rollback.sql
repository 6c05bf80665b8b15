SELECT statement FROM dbperf.restore_indexes('alert_logs');
