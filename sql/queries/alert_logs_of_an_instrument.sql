-- Alerts of one instrument in a time window.
SELECT * FROM alert_logs
WHERE instrument_id = %(instrument)s AND "timestamp" >= %(day_ago)s AND "timestamp" < %(now)s
