-- The legacy trading schema, as it was deployed. On an empty database these tables move to the
-- trading schema; where tables of these names exist, they are compared with it and adopted.
-- bootstrap: true
-- depends: 0001_create_schema
CREATE SCHEMA dbperf_baseline;

CREATE TABLE dbperf_baseline.instruments (
    id serial NOT NULL,
    symbol character varying(10) NOT NULL,
    name character varying(100) NOT NULL,
    type character varying(20) NOT NULL,
    status character varying(20) NOT NULL,
    last_tick timestamp without time zone,
    last_price numeric(10,4),
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    CONSTRAINT instruments_pkey PRIMARY KEY (id)
);

CREATE TABLE dbperf_baseline.alert_rules (
    id serial NOT NULL,
    instrument_id integer NOT NULL,
    rule_type character varying(50) NOT NULL,
    condition character varying(20) NOT NULL,
    threshold numeric(12,4) NOT NULL,
    active boolean NOT NULL,
    name character varying(100),
    description text,
    time_window_seconds integer,
    moving_average_period integer,
    cooldown_seconds integer NOT NULL,
    last_triggered timestamp without time zone,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    CONSTRAINT alert_rules_pkey PRIMARY KEY (id)
);

CREATE TABLE dbperf_baseline.market_data (
    id serial NOT NULL,
    "timestamp" timestamp without time zone NOT NULL,
    instrument_id integer NOT NULL,
    price numeric(12,4),
    volume integer,
    bid numeric(12,4),
    ask numeric(12,4),
    bid_size integer,
    ask_size integer,
    open_price numeric(12,4),
    high_price numeric(12,4),
    low_price numeric(12,4),
    CONSTRAINT market_data_pkey PRIMARY KEY (id)
);

CREATE TABLE dbperf_baseline.alert_logs (
    id serial NOT NULL,
    "timestamp" timestamp without time zone NOT NULL,
    rule_id integer NOT NULL,
    instrument_id integer NOT NULL,
    trigger_value numeric(12,4) NOT NULL,
    threshold_value numeric(12,4) NOT NULL,
    fired_status character varying(20) NOT NULL,
    delivery_status character varying(20) NOT NULL,
    evaluation_time_ms integer,
    rule_condition character varying(20) NOT NULL,
    alert_message text,
    error_message text,
    delivery_attempted_at timestamp without time zone,
    delivery_completed_at timestamp without time zone,
    CONSTRAINT alert_logs_pkey PRIMARY KEY (id)
);

ALTER TABLE dbperf_baseline.alert_rules ADD CONSTRAINT alert_rules_instrument_id_fkey
    FOREIGN KEY (instrument_id) REFERENCES dbperf_baseline.instruments (id) ON DELETE CASCADE;

ALTER TABLE dbperf_baseline.market_data ADD CONSTRAINT market_data_instrument_id_fkey
    FOREIGN KEY (instrument_id) REFERENCES dbperf_baseline.instruments (id) ON DELETE CASCADE;

ALTER TABLE dbperf_baseline.alert_logs ADD CONSTRAINT alert_logs_rule_id_fkey
    FOREIGN KEY (rule_id) REFERENCES dbperf_baseline.alert_rules (id) ON DELETE CASCADE;

ALTER TABLE dbperf_baseline.alert_logs ADD CONSTRAINT alert_logs_instrument_id_fkey
    FOREIGN KEY (instrument_id) REFERENCES dbperf_baseline.instruments (id) ON DELETE CASCADE;

CREATE INDEX ix_instruments_last_tick ON dbperf_baseline.instruments (last_tick);

CREATE INDEX ix_instruments_symbol ON dbperf_baseline.instruments (symbol);

CREATE INDEX ix_instruments_type_status ON dbperf_baseline.instruments (type, status);

CREATE INDEX ix_alert_rules_active ON dbperf_baseline.alert_rules (active);

CREATE INDEX ix_alert_rules_active_instrument ON dbperf_baseline.alert_rules (active, instrument_id);

CREATE INDEX ix_alert_rules_instrument ON dbperf_baseline.alert_rules (instrument_id);

CREATE INDEX ix_alert_rules_last_triggered ON dbperf_baseline.alert_rules (last_triggered);

CREATE INDEX ix_alert_rules_type ON dbperf_baseline.alert_rules (rule_type);

CREATE INDEX ix_market_data_instrument ON dbperf_baseline.market_data (instrument_id);

CREATE INDEX ix_market_data_latest ON dbperf_baseline.market_data (instrument_id, "timestamp", price);

CREATE INDEX ix_market_data_price ON dbperf_baseline.market_data (price);

CREATE INDEX ix_market_data_timestamp ON dbperf_baseline.market_data ("timestamp");

CREATE INDEX ix_market_data_timestamp_instrument ON dbperf_baseline.market_data ("timestamp", instrument_id);

CREATE INDEX ix_alert_logs_delivery_status ON dbperf_baseline.alert_logs (delivery_status);

CREATE INDEX ix_alert_logs_evaluation_time ON dbperf_baseline.alert_logs (evaluation_time_ms);

CREATE INDEX ix_alert_logs_fired_status ON dbperf_baseline.alert_logs (fired_status);

CREATE INDEX ix_alert_logs_instrument ON dbperf_baseline.alert_logs (instrument_id);

CREATE INDEX ix_alert_logs_recent ON dbperf_baseline.alert_logs ("timestamp", fired_status, instrument_id);

CREATE INDEX ix_alert_logs_rule ON dbperf_baseline.alert_logs (rule_id);

CREATE INDEX ix_alert_logs_rule_timestamp ON dbperf_baseline.alert_logs (rule_id, "timestamp");

CREATE INDEX ix_alert_logs_timestamp ON dbperf_baseline.alert_logs ("timestamp");

CREATE INDEX ix_alert_logs_timestamp_instrument ON dbperf_baseline.alert_logs ("timestamp", instrument_id);

CREATE INDEX ix_alert_logs_timestamp_rule ON dbperf_baseline.alert_logs ("timestamp", rule_id);

SELECT dbperf.adopt_trading_tables('dbperf_baseline', current_schema());
