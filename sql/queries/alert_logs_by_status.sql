-- Alerts of a day by what became of them.
SELECT fired_status, count(*) FROM alert_logs
WHERE "timestamp" >= %(day_ago)s AND "timestamp" < %(now)s
GROUP BY fired_status
