"""Load a CSV file through `copy_rows`: all of its rows, or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from dbperf.copy import CopyResult, copy_rows
from dbperf.errors import FileError, RowError, UsageError, sentence
from dbperf.load.csvfile import CsvFile
from dbperf.load.values import FieldParser, parser

#: What bar files call the columns of a tick.
ALIASES = {"open": "open_price", "high": "high_price", "low": "low_price", "close": "price"}

#: As the COLUMN of ``--map``: leave the field out.
IGNORE = "-"

_COLUMNS = """
WITH RECURSIVE wanted AS (
    SELECT a.*, format_type(a.atttypid, a.atttypmod) AS type_name
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
),
resolved AS (
    SELECT w.attnum, w.atttypid AS type, w.atttypmod AS modifier FROM wanted AS w
    UNION ALL
    SELECT r.attnum, t.typbasetype, t.typtypmod FROM resolved AS r
    JOIN pg_catalog.pg_type AS t ON t.oid = r.type AND t.typtype = 'd'
)
SELECT w.attname, t.oid::bigint, w.type_name,
       CASE WHEN t.oid = 1700 AND r.modifier >= 4 THEN (r.modifier - 4) & 2047 END,
       w.attnotnull AND NOT w.atthasdef AND w.attidentity = '' AS required
FROM wanted AS w
JOIN resolved AS r ON r.attnum = w.attnum
JOIN pg_catalog.pg_type AS t ON t.oid = r.type AND t.typtype <> 'd'
ORDER BY w.attnum
"""


class _Column(NamedTuple):
    name: str
    oid: int
    type_name: str
    scale: int | None
    required: bool


@dataclass(frozen=True)
class Options:
    """What `load` is asked to do.

    Attributes:
        table: a name as in SQL.
        instrument: symbol whose id fills ``instrument_id``.
        create_instrument: insert it when it is not known.
        mapping: field by column, before names and aliases are looked at.
        rounded: columns to round half-even to what they keep.
        dry_run: roll back in the end.
    """

    table: str
    instrument: str | None = None
    create_instrument: bool = False
    mapping: tuple[tuple[str, str], ...] = ()
    rounded: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True)
class LoadResult:
    """What `load` did; *rounded* counts changed values by column."""

    copied: CopyResult
    rounded: dict[str, int]
    created_instrument: str | None
    dry_run: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rest = {
            "rounded": self.rounded,
            "created_instrument": self.created_instrument,
            "dry_run": self.dry_run,
        }
        return asdict(self.copied) | rest

    def in_words(self, name: str) -> str:
        """For people."""
        rate = self.copied.rows / self.copied.seconds if self.copied.seconds else 0
        verb = "would be loaded (rolled back)" if self.dry_run else "loaded"
        lines = [f"{self.copied.inserted:,} rows of {name} {verb} in {self.copied.seconds:.2f} s ({rate:,.0f} rows/s)"]
        if self.copied.inserted != self.copied.rows:
            lines.append(f"{self.copied.rows - self.copied.inserted:,} rows were left out by a trigger of the table")
        lines += [f"{count:,} values of {column} were rounded" for column, count in self.rounded.items()]
        if self.created_instrument:
            lines.append(f"instrument {self.created_instrument} was created")
        return "\n".join(lines)


def parse_mapping(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``column=field`` strings as pairs.

    Raises:
        UsageError: one has no ``=``.
    """
    split = [tuple(part.strip() for part in pair.partition("=")[::2]) for pair in pairs]
    for pair, (column, field) in zip(pairs, split, strict=True):
        if not column or not field:
            raise UsageError(f"--map {pair!r} is not COLUMN=FIELD")
    return tuple((column, field) for column, field in split)


def load(
    conn: psycopg.Connection,
    path: Path,
    options: Options,
    progress: Callable[[int], object] = lambda read: None,
) -> LoadResult:
    """Load the CSV file *path* in one transaction.

    Empty fields are NULL. Times without an offset are UTC.

    Args:
        conn: a connection, in autocommit or in the caller's transaction.
        path: a UTF-8 file with a header line.
        options: see `Options`.
        progress: called with the number of bytes read since the last call.

    Raises:
        UsageError: file, table and options do not go together; nothing was begun.
        FileError: a line does not fit; it names file, line, column and value. Nothing was loaded.
        psycopg.Error: the server refused something that no line explains.
    """
    file = CsvFile(path, progress)
    columns = [_Column(*row) for row in conn.execute(_COLUMNS, [options.table])]
    if not columns:
        raise UsageError(f"there is no table {options.table} for this role and search_path")
    targets = _targets(file, columns, options)
    _check_instrument(columns, targets, options)
    with conn.transaction(force_rollback=options.dry_run):
        instrument, created = _instrument(conn, options) if options.instrument else (None, False)
        return _Loading(file, columns, targets, instrument, options).run(conn, created)


class _Loading:
    """One file on its way into one table."""

    def __init__(
        self,
        file: CsvFile,
        columns: Sequence[_Column],
        targets: Sequence[str | None],
        instrument: int | None,
        options: Options,
    ) -> None:
        self._file = file
        self._options = options
        self._instrument = instrument
        by_name = {column.name: column for column in columns}
        self._fields: list[tuple[int, FieldParser]] = []
        for position, name in enumerate(targets):
            if name is not None:
                column = by_name[name]
                rounds = name in options.rounded
                self._fields.append((position, parser(name, *column[1:4], rounds=rounds)))
        filled = {p.column for _, p in self._fields}
        if unfilled := [name for name in options.rounded if name not in filled]:
            raise UsageError(f"--round {unfilled[0]}: the file does not fill this column")

    def run(self, conn: psycopg.Connection, created: bool) -> LoadResult:
        names = [p.column for _, p in self._fields] + (["instrument_id"] if self._instrument is not None else [])
        try:
            copied = copy_rows(conn, self._options.table, self._rows(), names)
        except RowError as error:
            raise self._at(self._file.line, error.column, None, error.reason) from None
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise self._from_server(error) from None
        changed = {p.column: p.rounded for _, p in self._fields if p.column in self._options.rounded}
        name = self._options.instrument if created else None
        return LoadResult(copied, changed, name, self._options.dry_run)

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        tail = (self._instrument,) if self._instrument is not None else ()
        for record in self._file.records():
            values = []
            for position, field in self._fields:
                text = record[position].strip()
                try:
                    values.append(field.parse(text) if text else None)
                except ValueError as error:
                    raise self._at(self._file.line, field.column, text, str(error)) from None
            yield (*values, *tail)

    def _at(self, line: int, column: str | None, value: str | None, reason: str) -> FileError:
        return FileError(self._file.path, line, column, value, reason)

    def _from_server(self, error: psycopg.Error) -> Exception:
        """Name the line that the server complains of; its COPY context counts rows."""
        found = re.search(r"COPY .*, line (\d+)(?:, column (\S+))?", error.diag.context or "")
        if not found:
            return error
        column = found[2] or error.diag.column_name
        value = self._text_of(int(found[1]), column)
        return self._at(self._file.line_of(int(found[1])), column, value, sentence(error))

    def _text_of(self, record: int, column: str | None) -> str | None:
        positions = [position for position, field in self._fields if field.column == column]
        if not positions or not self._file.path.is_file():
            return None
        for number, fields in enumerate(CsvFile(self._file.path).records(), 1):
            if number == record:
                return fields[positions[0]]
        return None


def _targets(file: CsvFile, columns: Sequence[_Column], options: Options) -> list[str | None]:
    """For each field of the header the column that it fills, None to leave it out."""
    names = {column.name for column in columns}
    folded = {name.lower(): name for name in names}
    mapped = {field: column for column, field in options.mapping}
    for column, field in options.mapping:
        if column != IGNORE and column not in names:
            raise UsageError(f"--map {column}={field}: table {options.table} has no column {column}")
        if field not in file.header:
            raise UsageError(f"--map {column}={field}: the file has no field {field}, but {', '.join(file.header)}")
    targets: list[str | None] = []
    for field in file.header:
        alias = ALIASES.get(field.lower())
        target = mapped.get(field) or folded.get(field.lower()) or (alias if alias in names else None)
        if target is None:
            raise UsageError(
                f"field {field!r} of {file.path.name} has no column in {options.table}: "
                f"name one with --map COLUMN={field}, or leave it out with --map {IGNORE}={field}"
            )
        targets.append(None if target == IGNORE else target)
    used = [target for target in targets if target is not None]
    if twice := [target for target in used if used.count(target) > 1]:
        raise UsageError(f"two fields fill column {twice[0]}: tell them apart with --map")
    return targets


def _check_instrument(columns: Sequence[_Column], targets: Sequence[str | None], options: Options) -> None:
    if options.create_instrument and not options.instrument:
        raise UsageError("--create-instrument needs --instrument SYMBOL")
    filled = set(targets)
    if options.instrument:
        if "instrument_id" not in {column.name for column in columns}:
            raise UsageError(f"--instrument: table {options.table} has no column instrument_id")
        if "instrument_id" in filled:
            raise UsageError("--instrument: the file fills instrument_id itself")
        filled.add("instrument_id")
    missing = [column.name for column in columns if column.required and column.name not in filled]
    if missing:
        hint = " (--instrument SYMBOL fills it)" if missing[0] == "instrument_id" else ""
        raise UsageError(f"nothing fills column {missing[0]} of {options.table}, which may not be NULL{hint}")


def _instrument(conn: psycopg.Connection, options: Options) -> tuple[int, bool]:
    """The id of the instrument, and whether it was created just now."""
    row = conn.execute(
        "SELECT relnamespace::regnamespace::text FROM pg_catalog.pg_class WHERE oid = to_regclass(%s)",
        [options.table],
    ).fetchone()
    assert row is not None
    # the schema's name comes quoted from the server
    table = sql.SQL(row[0] + ".instruments")
    found = conn.execute(
        sql.SQL("SELECT id FROM {} WHERE symbol = %s ORDER BY id").format(table), [options.instrument]
    ).fetchall()
    if len(found) > 1:
        ids = ", ".join(str(identity) for (identity,) in found)
        raise UsageError(
            f"symbol {options.instrument} belongs to {len(found)} instruments (ids {ids}): "
            "make it unique, or give the file a field instrument_id"
        )
    if found:
        return found[0][0], False
    if not options.create_instrument:
        raise UsageError(f"there is no instrument {options.instrument}: check the symbol, or add --create-instrument")
    made = conn.execute(
        sql.SQL(
            "INSERT INTO {} (symbol, name, type, status, created_at, updated_at) VALUES"
            " (%(symbol)s, %(symbol)s, 'future', 'active', now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')"
            " RETURNING id"
        ).format(table),
        {"symbol": options.instrument},
    ).fetchone()
    assert made is not None
    return made[0], True
