-- Alerts of one instrument in a time window: instrument_id, start, stop.
SELECT * FROM alert_logs
WHERE instrument_id = %(instrument_id)s AND "timestamp" >= %(start)s AND "timestamp" < %(stop)s
