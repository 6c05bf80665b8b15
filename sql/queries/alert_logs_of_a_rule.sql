-- Alerts of one rule, newest first.
SELECT * FROM alert_logs WHERE rule_id = %(rule)s ORDER BY "timestamp" DESC LIMIT 50
