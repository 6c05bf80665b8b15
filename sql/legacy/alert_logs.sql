-- One alert for every ten ticks, spread over the same quarter.
INSERT INTO alert_logs (
    id, "timestamp", rule_id, instrument_id, trigger_value, threshold_value, fired_status, delivery_status,
    evaluation_time_ms, rule_condition, alert_message, error_message, delivery_attempted_at, delivery_completed_at
)
SELECT
    n, at, r.id, r.instrument_id,
    round(r.threshold * (1 + (chance %% 200 - 100) / 10000.0), 4),
    r.threshold,
    CASE WHEN chance %% 100 < 80 THEN 'fired' WHEN chance %% 100 < 97 THEN 'suppressed' ELSE 'error' END,
    CASE
        WHEN chance %% 1000 < 10 THEN 'pending'
        WHEN chance %% 1000 < 30 THEN 'failed'
        ELSE (ARRAY['in_app_sent', 'sound_played', 'slack_sent', 'all_delivered'])[1 + least(3, chance %% 9)]
    END,
    (1 + chance %% 47)::integer,
    r.condition,
    'instrument ' || r.instrument_id || ' is ' || r.condition || ' ' || r.threshold,
    CASE WHEN chance %% 100 >= 97 THEN 'timeout' END,
    CASE WHEN chance %% 1000 >= 10 THEN at + interval '40 milliseconds' END,
    CASE WHEN chance %% 1000 >= 30 THEN at + interval '150 milliseconds' END
FROM (
    SELECT
        n::bigint AS n,
        timestamp '2026-04-01 00:00:00' + n * (interval '90 days 21 hours' / (%(ticks)s / 10)) AS at,
        hashint8extended(n, %(seed)s + 6) & 1048575 AS chance,
        1 + (hashint8extended(n, %(seed)s + 7) & 1048575) %% (%(instruments)s * 5) AS rule
    FROM generate_series(1, %(ticks)s / 10) AS n
) AS log
JOIN alert_rules AS r ON r.id = log.rule
ORDER BY n;
