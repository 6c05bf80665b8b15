"""CSV with a header line: an empty field is NULL."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from dbperf.copy.catalog import Column
from dbperf.load.reader import Lines, Reader, Record
from dbperf.load.source import Progress, Source, unnoticed
from dbperf.load.values import FieldParser, parser


class CsvReader(Reader):
    """UTF-8 text, with a byte order mark or without; blank lines are no records.

    Raises:
        FileError: there is no header line.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.header = [name.strip() for name in next(self._parsed(unnoticed), (1, []))[1]]
        if not any(self.header):
            raise self.error(1, None, None, "there is no header line")

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
        """Text, of which a blank one is NULL."""
        field = parser(column, rounds=rounds)
        parse = field.parse
        field.parse = lambda text: parse(text) if text.strip() else None
        return field

    def _parsed(self, progress: Progress) -> Iterator[tuple[int, list[str]]]:
        lines = Lines(self, progress)
        reader = csv.reader(lines, strict=True)
        while True:
            begins = lines.number + 1
            try:
                fields = next(reader, None)
            except csv.Error as error:
                raise self.error(begins, None, None, f"is not CSV: {error}") from None
            if fields is None:
                return
            yield begins, fields
