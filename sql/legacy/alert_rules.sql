-- Five rules for every instrument, their thresholds around the price at which it starts.
INSERT INTO alert_rules (
    id, instrument_id, rule_type, condition, threshold, active, name, description, time_window_seconds,
    moving_average_period, cooldown_seconds, last_triggered, created_at, updated_at
)
SELECT
    (i.id - 1) * 5 + r,
    i.id,
    (ARRAY['threshold', 'crossover', 'rate_of_change', 'volume_spike', 'multi_condition'])[r],
    (ARRAY['above', 'below', 'equals', 'crosses_above', 'crosses_below', 'percent_change_up', 'percent_change_down', 'volume_above'])[1 + (i.id + r) %% 8],
    round(i.last_price * (1 + (r - 3) * 0.01), 4),
    (i.id + r) %% 7 <> 0,
    'rule ' || r || ' of instrument ' || i.id,
    CASE WHEN r %% 2 = 0 THEN 'watches instrument ' || i.id END,
    CASE WHEN r IN (3, 4) THEN 60 * r END,
    CASE WHEN r = 2 THEN 20 END,
    300,
    timestamp '2026-06-30 20:00:00' - (i.id * r) * interval '13 minutes',
    timestamp '2026-01-05 08:00:00',
    timestamp '2026-06-30 20:00:00'
FROM instruments AS i
CROSS JOIN generate_series(1, 5) AS r;
