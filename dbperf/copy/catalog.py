"""Which columns a table has, of which types, and the COPY that fills them.

Binary COPY applies no casts: a value is read as the column's type whatever it was meant to be. So the types come from
the catalogue; what it said of a table is kept with the connection until one of its rows about the table is another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from psycopg import sql

from dbperf.errors import ColumnError
from dbperf.migrations.session import AnyConnection

#: A table name as SQL has it (``market_data``, ``trading."Ticks"``), or schema and name taken literally.
TableName = str | tuple[str, str]

#: What binary COPY begins and ends with.
HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"

# A table's OID, and what is another after any DDL on it: of its rows, the transaction that wrote each, and where: twice
# in one transaction is in two places. Likewise of its enums' labels, within whatever: only types that people made,
# from 16384 (FirstNormalObjectId), have any, and looking each up by itself takes half of what a join does.
VERSION = """
SELECT c.oid::bigint,
       ARRAY[n.xmin || ' ' || n.ctid, c.xmin || ' ' || c.ctid] || ARRAY(
           SELECT a.xmin || ' ' || a.ctid FROM pg_catalog.pg_attribute AS a
           WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum
       ) || ARRAY(
           WITH RECURSIVE used AS (
               SELECT a.atttypid AS type FROM pg_catalog.pg_attribute AS a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.atttypid >= 16384
               UNION
               SELECT (SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END
                       FROM pg_catalog.pg_type AS t WHERE t.oid = u.type)
               FROM used AS u WHERE u.type >= 16384
           )
           SELECT ARRAY(
               SELECT e.xmin || ' ' || e.ctid FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = u.type ORDER BY e.oid
           )::text
           FROM used AS u WHERE u.type >= 16384 ORDER BY u.type
       )
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%(name)s)
"""

# One row per column. What is sent as another type because its binary form is the same: domains as their base type;
# enums and char(n) as text; arrays of these as arrays of those, whose elements then say the array's own type. A domain
# within an array is resolved as one around it is, to the modifier that counts.
CATALOG = """
WITH RECURSIVE target AS (SELECT to_regclass(%(name)s) AS relation),
wanted AS (
    SELECT a.*, format_type(a.atttypid, a.atttypmod) AS type_name
    FROM pg_catalog.pg_attribute AS a, target
    WHERE a.attrelid = target.relation AND a.attnum > 0 AND NOT a.attisdropped
),
resolved AS (
    SELECT w.attnum, w.atttypid AS type, w.atttypmod AS modifier, NULL::oid AS element FROM wanted AS w
    UNION ALL
    SELECT r.attnum, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
           CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE r.modifier END,
           CASE t.typtype WHEN 'd' THEN r.element ELSE t.typelem END
    FROM resolved AS r
    JOIN pg_catalog.pg_type AS t ON t.oid = r.type
    LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid
    WHERE t.typtype = 'd' OR (r.element IS NULL AND e.oid IS NOT NULL)
),
based AS (
    SELECT r.* FROM resolved AS r JOIN pg_catalog.pg_type AS t ON t.oid = r.type AND t.typtype <> 'd'
)
SELECT format('%%I.%%I', n.nspname, c.relname), w.attname::text, w.attgenerated <> '', w.type_name,
       CASE WHEN b.typtype <> 'e' AND b.oid <> 'bpchar'::regtype AND i.element IS NOT DISTINCT FROM i.type THEN t.oid
            WHEN b.typtype <> 'e' AND b.oid <> 'bpchar'::regtype THEN b.typarray
            WHEN i.element IS NULL THEN 'text'::regtype
            ELSE 'text[]'::regtype END::bigint,
       t.typreceive <> 0,
       -- numeric_typmod_precision() and numeric_typmod_scale() of numeric.c
       CASE WHEN b.oid = 'numeric'::regtype AND m.modifier >= 4 THEN ((m.modifier - 4) >> 16) & 65535 END,
       CASE WHEN b.oid = 'numeric'::regtype AND m.modifier >= 4 THEN (((m.modifier - 4) & 2047) # 1024) - 1024 END,
       w.attnotnull AND NOT w.atthasdef AND w.attidentity = '',
       CASE WHEN i.element <> i.type OR b.typtype = 'e' OR b.oid = 'bpchar'::regtype THEN i.element::bigint END,
       CASE WHEN m.modifier < 0 THEN NULL
            WHEN b.oid IN ('timestamp'::regtype, 'timestamptz'::regtype, 'time'::regtype, 'timetz'::regtype)
            THEN (10 ^ (6 - m.modifier))::bigint
            WHEN b.oid <> 'interval'::regtype THEN NULL
            -- timestamp.h: bits 16 to 30 are the fields, of which the last one counts, the others its seconds' decimals
            WHEN (m.modifier >> 16) & 4096 > 0 THEN (10 ^ (6 - least(m.modifier & 65535, 6)))::bigint
            WHEN (m.modifier >> 16) & 2048 > 0 THEN 60000000
            WHEN (m.modifier >> 16) & 1024 > 0 THEN 3600000000
            WHEN (m.modifier >> 16) & 8 > 0 THEN 86400000000
            ELSE 0 END,
       CASE WHEN b.oid IN ('varchar'::regtype, 'bpchar'::regtype) AND m.modifier >= 4 THEN m.modifier - 4 END,
       CASE WHEN b.typtype = 'e' THEN ARRAY(
           SELECT e.enumlabel::text FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder
       ) END,
       c.oid::bigint
FROM target
JOIN pg_catalog.pg_class AS c ON c.oid = target.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN wanted AS w ON true
JOIN based AS o ON o.attnum = w.attnum AND o.element IS NULL
LEFT JOIN based AS i ON i.attnum = w.attnum AND i.element IS NOT NULL
CROSS JOIN LATERAL (SELECT coalesce(i.type, o.type), coalesce(i.modifier, o.modifier)) AS m (base, modifier)
JOIN pg_catalog.pg_type AS t ON t.oid = o.type
JOIN pg_catalog.pg_type AS b ON b.oid = m.base
ORDER BY w.attnum
"""

#: The column by which the table is partitioned by range; needs no right on anything of dbperf.
PARTITION_COLUMN = """
SELECT a.attname::text FROM pg_catalog.pg_partitioned_table AS t
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = (t.partattrs::smallint[])[0]
WHERE t.partrelid = to_regclass(%s) AND t.partstrat = 'r' AND t.partnatts = 1
"""


class Column(NamedTuple):
    """A column as the catalogue has it.

    *oid* is the type that is sent, *precision* and *scale* the digits and decimals that a ``numeric`` keeps (None:
    all), *required* that it may not be NULL and has no default, *element* the type that an array's elements say, if it
    is not that of *oid*. *unit* are the microseconds that a time or interval is a multiple of (None: 1; 0: an interval
    of months, which keeps none), *length* the characters of a text (None: any number), *labels* those of an enum, in
    order. Of an array, these are its elements'. *relation* is the table's OID.
    """

    table: str
    name: str
    generated: bool
    type_name: str
    oid: int
    receivable: bool
    precision: int | None
    scale: int | None
    required: bool
    element: int | None
    unit: int | None
    length: int | None
    labels: list[str] | None
    relation: int

    @property
    def form(self) -> tuple[Any, ...]:
        """All that the values that are sent depend on."""
        return self.name, self.oid, self.precision, self.scale, self.element, self.unit, self.length


#: Tables that are known of one connection at the most: who fills temporary ones has a new OID each time.
_KEPT = 100


class Known:
    """What the catalogue said of tables, by connection and OID."""

    def __init__(self) -> None:
        self._tables: WeakKeyDictionary[Any, dict[int, tuple[list[str], list[Column]]]] = WeakKeyDictionary()

    def get(self, conn: AnyConnection, version: tuple[int, list[str]] | None) -> list[Column] | None:
        """The columns, if they are known and what `VERSION` says is still the same."""
        kept = self._tables.get(conn, {}).get(version[0]) if version else None
        return kept[1] if version and kept and kept[0] == version[1] else None

    def keep(self, conn: AnyConnection, version: tuple[int, list[str]] | None, columns: list[Column]) -> None:
        """*columns*, read after *version*."""
        if version is None:
            return
        tables = self._tables.setdefault(conn, {})
        if len(tables) >= _KEPT:
            del tables[next(iter(tables))]
        tables[version[0]] = version[1], columns


KNOWN = Known()


def choose_columns(
    table: TableName, catalog: Sequence[Column], wanted: Sequence[str] | None, first: object
) -> list[Column]:
    """The columns to fill: *wanted*, else the first mapping's keys, else all that are not generated.

    Raises:
        ColumnError: the table or a column is not there, named twice, or generated.
    """
    shown = table if isinstance(table, str) else ".".join(table)
    if not catalog:
        raise ColumnError(f"there is no table {shown} for this role and search_path")
    if isinstance(catalog[0].table, bytes):  # psycopg decodes nothing then
        raise ColumnError("the connection's client_encoding is SQL_ASCII: SET client_encoding = 'UTF8'")
    if wanted is None:
        if not isinstance(first, Mapping):
            return [column for column in catalog if not column.generated]
        wanted = list(first)
    by_name = {column.name: column for column in catalog}
    names = list(wanted)
    unknown = [str(name) for name in names if name not in by_name]
    if unknown or not names:
        raise ColumnError(f"table {shown} has no column {', '.join(unknown) or 'named'}: it has {', '.join(by_name)}")
    if len(set(names)) < len(names):
        raise ColumnError(f"a column is named twice: {', '.join(names)}")
    generated = [name for name in names if by_name[name].generated]
    if generated:
        raise ColumnError(f"column {', '.join(generated)} of {shown} is generated: leave it out")
    return [by_name[name] for name in names]


def copy_statement(table: str, columns: Sequence[str]) -> sql.SQL:
    """The COPY statement; *table* comes quoted from the server."""
    names = ", ".join(map(_quoted, columns))
    return sql.SQL(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)")


def regclass_name(table: TableName) -> str:
    """*table* as ``to_regclass`` reads it."""
    if isinstance(table, str):
        return table
    return ".".join(map(_quoted, table))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
