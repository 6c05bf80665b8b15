-- Nothing here holds a row of the trading tables. Not CASCADE: what somebody else put into the schema stops it.
DROP TABLE dbperf.index_change;

DROP TABLE dbperf.trading_table;

DROP TABLE dbperf.library;

DROP TABLE dbperf.migration;

DROP TABLE dbperf.installation;

DROP SCHEMA dbperf;
