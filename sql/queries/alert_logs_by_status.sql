-- How many alerts of a day were fired, suppressed or failed: start, stop.
SELECT fired_status, count(*) FROM alert_logs
WHERE "timestamp" >= %(start)s AND "timestamp" < %(stop)s
GROUP BY fired_status
