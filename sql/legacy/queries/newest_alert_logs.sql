-- The newest 50 alerts.
SELECT * FROM alert_logs ORDER BY "timestamp" DESC LIMIT 50
