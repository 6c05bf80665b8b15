-- Adopted tables are forgotten; tables that dbperf made are dropped if they are empty, else this refuses.
SELECT dbperf.forget_trading_tables();
