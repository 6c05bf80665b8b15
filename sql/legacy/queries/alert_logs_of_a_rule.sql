-- Alerts of one rule, newest first.
SELECT * FROM alert_logs WHERE rule_id = %(rule_id)s ORDER BY "timestamp" DESC LIMIT 50
