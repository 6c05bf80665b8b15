"""CSV with a header line: an empty field without quotes is NULL, and one with quotes an empty text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from dbperf.copy.catalog import Column
from dbperf.copy.oids import TEXTS
from dbperf.load.reader import LONGEST_LINE, Lines, Reader, Record
from dbperf.load.source import Progress, Source, unnoticed
from dbperf.load.values import FieldParser, parser


class CsvReader(Reader):
    """UTF-8 text, with a byte order mark or without; blank lines are no records.

    Raises:
        FileError: there is no header line.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.header = [(name or "").strip() for name in next(self._parsed(unnoticed), (1, []))[1]]
        if not any(self.header):
            raise self.error(1, None, None, "there is no header line")
        if any("\0" in name for name in self.header):  # without a byte order mark it cannot be known
            raise self.error(1, None, None, "holds zero bytes: if it is UTF-16, iconv makes UTF-8 of it")

    def records(self, progress: Progress = unnoticed) -> Iterator[Record]:
        """Every record after the header."""
        parsed = self._parsed(progress)
        next(parsed)
        for line, fields in parsed:
            if fields and len(fields) != len(self.header):
                raise self.error(line, None, None, f"has {len(fields)} fields, the header has {len(self.header)}")
            if fields:
                yield line, fields

    def parser(self, position: int, column: Column, *, rounds: bool) -> FieldParser:
        """Text, and None for NULL; an empty text also is NULL where no text goes, if a writer put quotes around all."""
        field = parser(column, rounds=rounds)
        parse = field.parse
        if column.oid in TEXTS:
            field.parse = lambda text: None if text is None else parse(text)
        else:
            field.parse = lambda text: parse(text) if text else None
        return field

    def _parsed(self, progress: Progress) -> Iterator[tuple[int, Sequence[str | None]]]:
        # for this process, whose other readers of CSV may have a greater one
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
        lines = Lines(self, progress)
        record = io.StringIO(newline="")  # a million short lines take much more room in a list
        reader = csv.reader(self._kept(lines, record), strict=True)
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
            yield begins, _with_nulls(fields, record)

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


def _with_nulls(fields: list[str], record: io.StringIO) -> Sequence[str | None]:
    """*fields* with None for the empty ones that have no quotes in their *record*, which `csv` does not tell."""
    if "" not in fields:
        return fields
    text = record.getvalue()
    if '""' not in text:
        return [field or None for field in fields]
    found: list[str | None] = []
    at = 0
    for field in fields:
        quoted = text.startswith('"', at)
        found.append(field if field or quoted else None)
        at += len(field) + (field.count('"') + 2 if quoted else 0) + 1
    return found
