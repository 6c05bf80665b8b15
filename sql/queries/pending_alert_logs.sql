-- Alerts that are still to be delivered, of all time: it looks into every partition.
SELECT * FROM alert_logs WHERE delivery_status = 'pending'
