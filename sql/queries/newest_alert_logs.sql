-- The newest 50 alerts.
SELECT * FROM dbperf.latest('alert_logs', NULL::alert_logs, rows => 50, time_column => 'timestamp')
