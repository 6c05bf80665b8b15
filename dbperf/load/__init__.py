"""Load a CSV file through `copy_rows`: all of its rows, or none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dbperf import partitions
from dbperf.copy import CopyResult, copy_rows
from dbperf.copy.catalog import CATALOG, Column
from dbperf.errors import FileError, RowError, UsageError, sentence
from dbperf.load.csvfile import CsvFile
from dbperf.load.values import FieldParser, parser
from dbperf.migrations.session import value

#: What bar files call the columns of a tick.
ALIASES = {"open": "open_price", "high": "high_price", "low": "low_price", "close": "price"}

_PARTITION_COLUMN = """
SELECT a.attname::text FROM pg_catalog.pg_partitioned_table AS t
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = (t.partattrs::smallint[])[0]
WHERE t.partrelid = to_regclass(%s) AND t.partstrat = 'r' AND t.partnatts = 1
"""

#: As the COLUMN of ``--map``: leave the field out.
IGNORE = "-"


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
            lines.append(f"instrument {self.created_instrument} {'would be' if self.dry_run else 'was'} created")
        return "\n".join(lines)


def parse_mapping(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``column=field`` strings as pairs.

    Raises:
        UsageError: one has no ``=``.
    """
    if missing := [pair for pair in pairs if "=" not in pair]:
        raise UsageError(f"--map {missing[0]!r} is not COLUMN=FIELD")
    split = [tuple(part.strip() for part in pair.partition("=")[::2]) for pair in pairs]
    for pair, (column, field) in zip(pairs, split, strict=True):
        if not column or (not field and column != IGNORE):  # a field without a name can be left out
            raise UsageError(f"--map {pair!r} is not COLUMN=FIELD")
    return tuple((column, field) for column, field in split)


def load(
    conn: psycopg.Connection,
    path: Path,
    options: Options,
    progress: Callable[[int], object] = lambda read: None,
) -> LoadResult:
    """Load the CSV file *path* in one transaction.

    Empty fields are NULL. Times without an offset are UTC. Partitions that the rows need are made first, on a
    connection of their own, and stay even if the file does not; not with *dry_run*.

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
    columns = _columns(conn, options.table)
    targets = _targets(file, columns, options)
    _check_instrument(columns, targets, options)
    if path.is_file() and not options.dry_run:
        _make_partitions(conn, path, columns, targets, options)
    with conn.transaction(force_rollback=options.dry_run):
        instrument, created = _instrument(conn, options) if options.instrument else (None, False)
        return _Loading(file, columns, targets, instrument, options).run(conn, created)


def _make_partitions(
    conn: psycopg.Connection,
    path: Path,
    columns: Sequence[Column],
    targets: Sequence[tuple[int, str]],
    options: Options,
) -> None:
    """Let every row of the file find its partition; reads the times once more than the rest."""
    key = value(conn, _PARTITION_COLUMN, options.table)
    fields = [(position, name) for position, name in targets if name == key]
    if not fields:
        return
    position, name = fields[0]
    field = parser(next(column for column in columns if column.name == name), rounds=False)
    hours: set[dt.datetime] = set()
    for record in CsvFile(path).records():
        try:
            at = field.parse(record[position])
        except (ValueError, ArithmeticError):
            continue  # said, with its line, when the rows are read
        if isinstance(at, dt.datetime):
            hours.add(at.replace(minute=0, second=0, microsecond=0))
        elif isinstance(at, dt.date):
            hours.add(dt.datetime(at.year, at.month, at.day))
    partitions.cover(conn, options.table, hours)


def _columns(conn: psycopg.Connection, table: str) -> list[Column]:
    try:
        columns = [Column(*row) for row in conn.execute(CATALOG, {"name": table})]
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        raise UsageError(f"--table {table}: {sentence(error)}") from None
    if not columns:
        raise UsageError(f"there is no table {table} for this role and search_path")
    return columns


class _Loading:
    """One file on its way into one table."""

    def __init__(
        self,
        file: CsvFile,
        columns: Sequence[Column],
        targets: Sequence[tuple[int, str]],
        instrument: int | None,
        options: Options,
    ) -> None:
        self._file = file
        self._options = options
        self._instrument = instrument
        by_name = {column.name: column for column in columns}
        self._fields: list[tuple[int, FieldParser]] = []
        for position, name in targets:
            self._fields.append((position, parser(by_name[name], rounds=name in options.rounded)))
        filled = {p.column for _, p in self._fields}
        if unfilled := [name for name in options.rounded if name not in filled]:
            raise UsageError(f"--round {unfilled[0]}: the file does not fill this column")

    def run(self, conn: psycopg.Connection, created: bool) -> LoadResult:
        names = [p.column for _, p in self._fields] + (["instrument_id"] if self._instrument is not None else [])
        try:
            copied = copy_rows(conn, self._options.table, self._rows(), names)
        except RowError as error:
            raise self._at(self._file.line_of(error.row), error.column, None, error.reason) from None
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
                text = record[position]
                try:
                    values.append(field.parse(text) if text.strip() else None)
                except (ValueError, ArithmeticError) as error:
                    raise self._at(self._file.line, field.column, text, str(error)) from None
            yield (*values, *tail)

    def _at(self, line: int, column: str | None, value: str | None, reason: str) -> FileError:
        return FileError(self._file.path, line, column, value, reason)

    def _from_server(self, error: psycopg.Error) -> Exception:
        """Name the line that the server complains of, in whatever language it does so."""
        record, column, text = 0, None, None
        # "COPY market_data, line 3, column price: …" counts rows
        row = re.search(r"COPY .+?, \S+ (\d+)(?:, \S+ ([^:\n]+))?", error.diag.context or "")
        # "Key (instrument_id)=(999) is not present …": a foreign key is checked after the last row
        key = re.search(r"\((\w+)\)=\((.*?)\)", error.diag.message_detail or "")
        if row:
            record, column = int(row[1]), row[2] or error.diag.column_name
            text = self._find(column, lambda number, _, __: number == record)[1]
        elif key:
            column = key[1]
            record, text = self._find(
                column, lambda _, text, field: bool(text.strip()) and str(field.parse(text)) == key[2]
            )
        if not record:
            return error
        return self._at(self._file.line_of(record), column, text, sentence(error))

    def _find(self, column: str | None, matches: Callable[[int, str, FieldParser], bool]) -> tuple[int, str | None]:
        """Number and text of the first record whose field for *column* matches; (0, None) if none does.

        The file is read once more; what can be read only once, such as a pipe, has none.
        """
        for position, field in self._fields if self._file.path.is_file() else ():
            if field.column == column:
                for number, fields in enumerate(CsvFile(self._file.path).records(), 1):
                    if matches(number, fields[position], field):
                        return number, fields[position]
        return 0, None


def _targets(file: CsvFile, columns: Sequence[Column], options: Options) -> list[tuple[int, str]]:
    """Position in the header and column that it fills; one field may fill several columns by --map."""
    names = {column.name for column in columns}
    folded = {name.lower(): name for name in names}
    for column, field in options.mapping:
        if column != IGNORE and column not in names:
            raise UsageError(f"--map {column}={field}: table {options.table} has no column {column}")
        if field not in file.header:
            raise UsageError(f"--map {column}={field}: the file has no field {field}, but {', '.join(file.header)}")
    targets: list[tuple[int, str]] = []
    for position, field in enumerate(file.header):
        if file.header.count(field) > 1:
            raise UsageError(f"{file.path.name} has two fields named {field!r}: rename one in its header")
        alias = ALIASES.get(field.lower())
        mapped = [column for column, source in options.mapping if source == field]
        own = folded.get(field.lower()) or (alias if alias in names else None)
        if not mapped and own is None:
            raise UsageError(
                f"field {field!r} of {file.path.name} has no column in {options.table}: "
                f"name one with --map COLUMN={field}, or leave it out with --map {IGNORE}={field}"
            )
        filled = mapped or [own or IGNORE]
        targets += [(position, column) for column in filled if column != IGNORE]
    used = [column for _, column in targets]
    if twice := [column for column in used if used.count(column) > 1]:
        raise UsageError(f"two fields fill column {twice[0]}: tell them apart with --map")
    return targets


def _check_instrument(columns: Sequence[Column], targets: Sequence[tuple[int, str]], options: Options) -> None:
    if options.create_instrument and not options.instrument:
        raise UsageError("--create-instrument needs --instrument SYMBOL")
    filled = {column for _, column in targets}
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
    if options.create_instrument:  # two loads at once must not create it twice: nothing else forbids that
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"dbperf {options.instrument}"])
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
