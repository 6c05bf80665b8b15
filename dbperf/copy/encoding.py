"""From Python values to the columns of a table, checked before they are sent.

Binary COPY applies no casts: a value is read as the column's type whatever it was meant to be, and
psycopg's encoders trust their caller (an ``int`` beyond 32 bits wraps around silently). So the
types come from the catalogue and every value is checked against its column.
"""

from __future__ import annotations

import datetime as dt
import operator
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import psycopg
from psycopg import sql
from psycopg.abc import AdaptContext
from psycopg.pq import Format

from dbperf.copy.conversions import (
    INTEGERS,
    TIMESTAMP,
    TIMESTAMPTZ,
    Converter,
    as_is,
    converter,
    show,
    time_zone_reason,
)
from dbperf.errors import ColumnError, RowError

#: A row as callers pass it.
Row = Sequence[Any] | Mapping[str, Any]

#: A table name as SQL has it (``market_data``, ``trading."Ticks"``), or schema and name taken literally.
TableName = str | tuple[str, str]

#: What binary COPY begins and ends with.
HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"

#: What an encoder raises for a value that it cannot encode.
ENCODING_ERRORS = (
    ArithmeticError, AttributeError, BufferError, LookupError, TypeError, ValueError, struct.error, psycopg.DataError,
)  # fmt: skip

#: Stands for the first of no rows; None would be a (wrong) row.
NO_ROW = object()

# One row per column: domains resolved to their base type; enums and char(n) to text, whose binary form is theirs.
CATALOG = """
WITH RECURSIVE target AS (SELECT to_regclass(%(name)s) AS relation),
wanted AS (
    SELECT a.*, format_type(a.atttypid, a.atttypmod) AS type_name
    FROM pg_catalog.pg_attribute AS a, target
    WHERE a.attrelid = target.relation AND a.attnum > 0 AND NOT a.attisdropped
),
resolved AS (
    SELECT w.attnum, w.atttypid AS type, w.atttypmod AS modifier FROM wanted AS w
    UNION ALL
    SELECT r.attnum, t.typbasetype, t.typtypmod FROM resolved AS r
    JOIN pg_catalog.pg_type AS t ON t.oid = r.type AND t.typtype = 'd'
)
SELECT format('%%I.%%I', n.nspname, c.relname), w.attname::text, w.attgenerated <> '', w.type_name,
       CASE WHEN t.typtype = 'e' OR t.oid = 'bpchar'::regtype THEN 'text'::regtype::oid ELSE t.oid END::bigint,
       t.typreceive <> 0,
       -- numeric_typmod_scale() of numeric.c
       CASE WHEN t.oid = 'numeric'::regtype AND r.modifier >= 4 THEN (((r.modifier - 4) & 2047) # 1024) - 1024 END,
       w.attnotnull AND NOT w.atthasdef AND w.attidentity = ''
FROM target
JOIN pg_catalog.pg_class AS c ON c.oid = target.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN wanted AS w ON true
JOIN resolved AS r ON r.attnum = w.attnum
JOIN pg_catalog.pg_type AS t ON t.oid = r.type AND t.typtype <> 'd'
ORDER BY w.attnum
"""


@dataclass(frozen=True)
class CopyResult:
    """What one COPY did.

    Attributes:
        rows: rows sent.
        inserted: rows stored, as the server counts them: fewer if a trigger left some out.
        bytes: size of what was sent, in bytes.
        seconds: wall time of the COPY, in seconds.
    """

    rows: int
    inserted: int
    bytes: int
    seconds: float


class Column(NamedTuple):
    """A column as the catalogue has it.

    *oid* is the type that is sent, *scale* the decimals that a ``numeric`` keeps (None: all),
    *required* that it may not be NULL and has no default.
    """

    table: str
    name: str
    generated: bool
    type_name: str
    oid: int
    receivable: bool
    scale: int | None
    required: bool


class _Shape(NamedTuple):
    """What is to be done with rows whose values have certain types."""

    pick: Callable[[Sequence[Any]], tuple[Any, ...]]  # the integers that could be out of range
    pack: Callable[..., bytes] | None
    converters: tuple[tuple[int, Converter], ...]


class Encoder:
    """Checks rows against the columns and hands them on ready for ``Copy.write_row``.

    Args:
        columns: the columns to fill, in order.
        by_name: whether rows are mappings.
        allow_extra: whether a mapping may hold keys that are no column.
        context: the connection; its registered adapters count.
    """

    def __init__(self, columns: Sequence[Column], *, by_name: bool, allow_extra: bool, context: AdaptContext) -> None:
        self.columns = columns
        self._names = [column.name for column in columns]
        self._by_name = by_name
        self._allow_extra = allow_extra
        self._context = context
        self._shapes: dict[tuple[type, ...], _Shape] = {}
        for column in columns:
            self._dumper(column)

    @property
    def oids(self) -> list[int]:
        """Type OIDs for ``Copy.set_types``."""
        return [column.oid for column in self.columns]

    def encode(self, number: int, row: Row) -> Sequence[Any]:
        """The values of *row* in the order of the columns, fit to be sent.

        Args:
            number: of the row, from 1; for the error.

        Raises:
            RowError: the row has other columns, or a value does not fit.
        """
        values = self._values(number, row)
        types = tuple(map(type, values))
        shape = self._shapes.get(types)
        if shape is None:
            shape = self._shapes[types] = self._learn(number, values, types)
        if shape.pack is not None:
            try:
                shape.pack(*shape.pick(values))
            except struct.error:
                raise self._out_of_range(number, values) from None
        if shape.converters:
            values = self._convert(number, list(values), shape.converters)
        return values

    def explain(self, number: int, row: Sequence[Any], error: Exception) -> RowError:
        """The RowError for an encoder's *error*, naming the column that it comes from."""
        for column, value in zip(self.columns, row, strict=True):
            if value is None:
                continue
            try:
                self._dumper(column)(type(value), self._context).dump(value)
            except Exception as cause:
                reason = f"{show(value)} does not fit type {column.type_name} ({cause})"
                if column.oid in (TIMESTAMP, TIMESTAMPTZ) and isinstance(value, dt.datetime):
                    reason = time_zone_reason(value, column.oid)
                return RowError(number, column.name, value, reason)
        return RowError(number, None, None, str(error))

    # -- one row -----------------------------------------------------------------------

    def _values(self, number: int, row: Row) -> Sequence[Any]:
        if not self._by_name:
            # what nearly every caller passes is found out at once
            if type(row) is not tuple and type(row) is not list and not _is_sequence(row):
                raise RowError(number, None, row, f"expected a sequence of values like the first row, got {show(row)}")
            if len(row) != len(self.columns):
                raise RowError(number, None, row, f"has {len(row)} values for columns {', '.join(self._names)}")
            return cast(Sequence[Any], row)
        if not isinstance(row, Mapping):
            raise RowError(number, None, row, f"expected a mapping like the first row, got {show(row)}")
        for name in self._names:  # not by KeyError: a defaultdict would invent the value
            if name not in row:
                raise RowError(number, name, None, "is missing: pass None for NULL")
        values = [row[name] for name in self._names]
        if not self._allow_extra and len(row) != len(values):
            extra = next(key for key in row if key not in self._names)
            raise RowError(number, str(extra), row[extra], "is not in the first row: name the columns to leave it out")
        return values

    def _learn(self, number: int, values: Sequence[Any], types: tuple[type, ...]) -> _Shape:
        integers, converters = [], []
        for position, (column, kind, value) in enumerate(zip(self.columns, types, values, strict=True)):
            if kind is type(None):
                continue
            convert = converter(column.oid, kind)
            if convert is None:
                raise RowError(number, column.name, value, f"{show(value)} does not fit type {column.type_name}")
            if convert is not as_is:
                converters.append((position, convert))
            if column.oid in INTEGERS:
                integers.append(position)
        codes = "=" + "".join(INTEGERS[self.columns[position].oid] for position in integers)
        pack = struct.Struct(codes).pack if integers else None
        return _Shape(_picker(integers), pack, tuple(converters))

    def _convert(self, number: int, values: list[Any], converters: Iterable[tuple[int, Converter]]) -> list[Any]:
        for position, convert in converters:
            value = values[position]
            try:
                values[position] = convert(value)
            except (ValueError, TypeError) as error:
                raise RowError(number, self._names[position], value, str(error)) from None
        return values

    def _out_of_range(self, number: int, values: Sequence[Any]) -> RowError:
        for column, value in zip(self.columns, values, strict=True):
            if value is not None and column.oid in INTEGERS:
                try:
                    struct.pack("=" + INTEGERS[column.oid], value)
                except struct.error:
                    reason = f"{show(value)} is out of range for type {column.type_name}"
                    return RowError(number, column.name, value, reason)
        raise AssertionError("no integer of this row is out of range")

    def _dumper(self, column: Column) -> type[Any]:
        try:
            if not column.receivable:
                raise psycopg.ProgrammingError
            return self._context.adapters.get_dumper_by_oid(column.oid, Format.BINARY)
        except psycopg.ProgrammingError:
            raise ColumnError(
                f"column {column.name} has type {column.type_name}, which has no binary encoder here: "
                "register one with psycopg on this connection, or leave the column out"
            ) from None


def choose_columns(
    table: TableName, catalog: Sequence[Column], wanted: Sequence[str] | None, first: Row | object
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


def copy_statement(columns: Sequence[Column]) -> sql.Composed:
    """The COPY statement."""
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    # the table's name comes quoted from the server
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.SQL(columns[0].table), names)


def regclass_name(table: TableName) -> str:
    """*table* as ``to_regclass`` reads it."""
    if isinstance(table, str):
        return table
    return ".".join('"' + part.replace('"', '""') + '"' for part in table)


def _picker(positions: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    if len(positions) == 1:
        only = positions[0]
        return lambda values: (values[only],)
    return operator.itemgetter(*positions) if positions else lambda values: ()


def _is_sequence(row: object) -> bool:
    return isinstance(row, Sequence) and not isinstance(row, (str, bytes))
