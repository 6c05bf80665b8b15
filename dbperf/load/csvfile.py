"""CSV: an empty field without quotes is NULL, and one with quotes an empty text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbperf.copy.catalog import Column
from dbperf.copy.oids import TEXTS
from dbperf.errors import UsageError
from dbperf.load.reader import LONGEST_LINE, Lines, Reader, Record
from dbperf.load.source import Progress, Source, unnoticed
from dbperf.load.values import FieldParser, parser


@dataclass(frozen=True)
class Dialect:
    """How a file of CSV is written.

    Attributes:
        delimiter: what separates fields, one character.
        fields: their names, where the file has no header line.
        nulls: words that, without quotes, are NULL, beside nothing.
    """

    delimiter: str = ","
    fields: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0':
            raise UsageError(f"--delimiter {self.delimiter!r} is not one character, or one that cannot separate fields")


#: With commas and a header line.
PLAIN = Dialect()


def parse_dialect(delimiter: str, fields: str | None, nulls: Sequence[str]) -> Dialect:
    r"""What the command line says: *delimiter* may be ``\t``, *fields* are names with commas between."""
    names = tuple(name.strip() for name in fields.split(",")) if fields else ()
    return Dialect("\t" if delimiter == r"\t" else delimiter, names, tuple(nulls))


class CsvReader(Reader):
    """UTF-8 text, with a byte order mark or without; blank lines are no records.

    Raises:
        FileError: there is no header line.
    """

    def __init__(self, source: Source, dialect: Dialect) -> None:
        super().__init__(source)
        self._dialect = dialect
        self.nulls = ("", *dialect.nulls)
        if dialect.fields:
            self.header = list(dialect.fields)
            return
        self.header = [(name or "").strip() for name in next(self._parsed(unnoticed), (1, []))[1]]
        if not any(self.header):
            raise self.error(1, None, None, "there is no header line")
        if any("\0" in name for name in self.header):  # without a byte order mark it cannot be known
            raise self.error(1, None, None, "holds zero bytes: if it is UTF-16, iconv makes UTF-8 of it")

    def records(self, progress: Progress = unnoticed) -> Iterator[Record]:
        """Every record after the header."""
        parsed = self._parsed(progress)
        names = "the header has" if not self._dialect.fields else "--fields has"
        if not self._dialect.fields:
            next(parsed)
        for line, fields in parsed:
            if fields and len(fields) != len(self.header):
                raise self.error(line, None, None, f"has {len(fields)} fields, {names} {len(self.header)}")
            if fields:
                yield line, fields

    def parser(self, position: int, column: Column, *, rounds: bool) -> FieldParser:
        """Text, and None for NULL. Where no text goes, `nulls` in quotes are NULL, too: many quote everything."""
        field = parser(column, rounds=rounds)
        parse, nulls = field.parse, self.nulls
        if column.oid in TEXTS:
            field.parse = lambda text: None if text is None else parse(text)
        else:
            field.parse = lambda text: None if text is None or text in nulls else parse(text)
        return field

    def _parsed(self, progress: Progress) -> Iterator[tuple[int, Sequence[str | None]]]:
        # for this process, whose other readers of CSV may have a greater one
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
        lines = Lines(self, progress)
        record = io.StringIO(newline="")  # a million short lines take much more room in a list
        reader = csv.reader(self._kept(lines, record), delimiter=self._dialect.delimiter, strict=True)
        while True:
            record.seek(0)
            record.truncate()
            begins = lines.number + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:
                reason = "a carriage return ends no line: put quotes around it, or line feeds in its place"
                reason = reason if str(error).startswith("new-line character") else str(error)
                raise self.error(begins, None, None, f"is not CSV: {reason}") from None
            if fields is None:
                return
            yield begins, _with_nulls(fields, record, self.nulls)

    def _kept(self, lines: Lines, record: io.StringIO) -> Iterator[str]:
        """*lines*, each of which is in *record* until that is emptied."""
        size = begins = 0
        for line in lines:
            if not record.tell():
                size, begins = 0, lines.number
            record.write(line)
            size += lines.size
            if size > LONGEST_LINE:
                reason = f"begins a record of more than {LONGEST_LINE >> 20} MiB: is there a quote that is not closed?"
                raise self.error(begins, None, None, reason)
            yield line


def _with_nulls(fields: list[str], record: io.StringIO, nulls: Sequence[str]) -> Sequence[str | None]:
    """*fields* with None for those of *nulls* that have no quotes in their *record*, which `csv` does not tell."""
    if not any(word in fields for word in nulls):
        return fields
    text = record.getvalue()
    if '"' not in text:
        return [None if field in nulls else field for field in fields]
    found: list[str | None] = []
    at = 0
    for field in fields:
        quoted = text.startswith('"', at)
        found.append(None if field in nulls and not quoted else field)
        at += len(field) + (field.count('"') + 2 if quoted else 0) + 1
    return found
