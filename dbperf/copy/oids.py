"""The types of columns by OID, which PostgreSQL never changes."""

from __future__ import annotations

#: Integer types: the struct code that has their range.
INTEGERS = {21: "h", 23: "i", 20: "q"}

BOOLEAN, REAL, DOUBLE, NUMERIC, DATE = 16, 700, 701, 1700, 1082
TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, INTERVAL = 1083, 1266, 1114, 1184, 1186
BYTEA, VARCHAR, TEXTS = 17, 1043, (19, 25, 1043)
INET = 869
JSONB = 3802
JSONS = (114, JSONB)
FRACTIONS = (REAL, DOUBLE, NUMERIC)
TIMES = (TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ)
