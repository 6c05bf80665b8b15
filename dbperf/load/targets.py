"""Which field of a file fills which column of a table."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import psycopg

from dbperf.copy.catalog import CATALOG, Column
from dbperf.errors import UsageError, sentence
from dbperf.load.csvfile import CsvReader
from dbperf.load.options import IGNORE, Options
from dbperf.load.reader import Reader

#: What bar files call the columns of a tick.
ALIASES = {"open": "open_price", "high": "high_price", "low": "low_price", "close": "price"}

#: What else separates fields in files that are called CSV, as the command line has it.
_SEPARATORS = {"\t": r"\t", ";": ";", "|": "|"}


def columns_of(conn: psycopg.Connection, table: str) -> list[Column]:
    """The columns of *table*, as the catalogue has them.

    Raises:
        UsageError: there is no such table.
    """
    try:
        columns = [Column(*row) for row in conn.execute(CATALOG, {"name": table})]
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        raise UsageError(f"--table {table}: {sentence(error)}") from None
    if not columns:
        raise UsageError(f"there is no table {table} for this role and search_path")
    return columns


def targets_of(file: Reader, columns: Sequence[Column], options: Options) -> list[tuple[int, str]]:
    """Position in the header and column that it fills; one field may fill several columns by --map.

    Raises:
        UsageError: a field has no column, or two fields have one.
    """
    names = {column.name for column in columns}
    folded = {name.lower(): name for name in names}
    for column, field in options.mapping:
        if column != IGNORE and column not in names:
            raise UsageError(f"--map {column}={field}: table {options.table} has no column {column}")
        if field not in file.header:
            raise UsageError(f"--map {column}={field}: the file has no field {field}, but {', '.join(file.header)}")
    targets: list[tuple[int, str]] = []
    for position, field in enumerate(file.header):
        if field == IGNORE and options.dialect.fields:
            continue
        if file.header.count(field) > 1:
            raise UsageError(f"{file.source.label} has two fields named {field!r}: rename one in its header")
        alias = ALIASES.get(field.lower())
        mapped = [column for column, source in options.mapping if source == field]
        own = folded.get(field.lower()) or (alias if alias in names else None)
        if not mapped and own is None:
            raise UsageError(
                f"field {field!r} of {file.where(position)} has no column in {options.table}: {_remedy(file, field)}"
            )
        filled = mapped or [own or IGNORE]
        targets += [(position, column) for column in filled if column != IGNORE]
    used = [column for _, column in targets]
    if twice := [column for column in used if used.count(column) > 1]:
        raise UsageError(f"two fields fill column {twice[0]}: tell them apart with --map")
    return targets


def _remedy(file: Reader, field: str) -> str:
    left_out = f"leave it out with --map {shlex.quote(f'{IGNORE}={field}')}"
    if not field:  # without a name it cannot fill anything
        return left_out
    if isinstance(file, CsvReader):
        separators = [name for separator, name in _SEPARATORS.items() if separator in field]
        if separators and len(file.header) == 1:
            return f"fields are separated by commas, or by what --delimiter says, such as '{separators[0]}'"
        if any(character.isdecimal() for character in field):
            left_out += ", or give all of them names with --fields if the file has no header line"
    return f"name one with --map COLUMN={shlex.quote(field)}, or {left_out}"


def check_filled(columns: Sequence[Column], targets: Sequence[tuple[int, str]], options: Options) -> None:
    """Whether file and instrument together fill what has to be filled.

    Raises:
        UsageError: they do not, or both fill ``instrument_id``, or the file fills nothing.
    """
    if not targets:
        raise UsageError("every field of the file is left out: name one that fills a column with --map COLUMN=FIELD")
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
