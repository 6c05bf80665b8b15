SELECT statement FROM dbperf.downgrade_table('alert_logs');
