-- Alerts that are still to be delivered.
SELECT * FROM alert_logs WHERE delivery_status = 'pending'
