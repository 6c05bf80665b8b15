-- The newest 50 alerts of one rule, newest first: rule_id.
SELECT * FROM dbperf.latest(
    'alert_logs', NULL::alert_logs, jsonb_build_object('rule_id', %(rule_id)s::integer), 50, 'timestamp'
)
