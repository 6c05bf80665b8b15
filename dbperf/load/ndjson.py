"""NDJSON: one JSON object a line; a key that is not there is NULL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbperf.copy.catalog import Column
from dbperf.copy.oids import JSONS
from dbperf.load.jsontext import decode, encode
from dbperf.load.reader import Lines, Reader, Record
from dbperf.load.source import Progress, Source, unnoticed
from dbperf.load.values import FieldParser, parser

#: More than any table has columns.
_MOST_KEYS = 10_000

_BOOLEANS = {True: "true", False: "false"}


class NdjsonReader(Reader):
    """Its header are the keys of all its objects, in the order of their coming: it is read once for them.

    Raises:
        FileError: a line is no JSON object, or there is none.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._first: dict[str, int] = {}  # line by key
        for line, found in self._objects(unnoticed):
            if not found.keys() <= self._first.keys():
                self._first |= {key: line for key in found if key not in self._first}
                if len(self._first) > _MOST_KEYS:
                    raise self.error(line, None, None, f"is where the objects have more than {_MOST_KEYS:,} keys")
        self.header = list(self._first)
        if not self.header:
            raise self.error(1, None, None, "there is no JSON object with a key")

    def records(self, progress: Progress = unnoticed) -> Iterator[Record]:
        """The values of every object; numbers as their digits."""
        for line, found in self._objects(progress):
            yield line, [found.get(key) for key in self.header]

    def parser(self, position: int, column: Column, *, rounds: bool) -> FieldParser:
        """The text of a string, a number, true or false, as of CSV; a whole JSON value for ``json`` and ``jsonb``."""
        field = parser(column, rounds=rounds)
        parse = field.parse
        if column.oid in JSONS:
            field.parse = lambda value: None if value is None else parse(encode(value))
            return field

        def parse_scalar(value: Any) -> object:
            if isinstance(value, str):
                return parse(value)
            if isinstance(value, bool):
                return parse(_BOOLEANS[value])
            if value is None:
                return None
            raise ValueError(f"nested values go into json and jsonb columns, not into {column.type_name}")

        field.parse = parse_scalar
        return field

    def where(self, position: int) -> str:
        """The line where the key first comes."""
        return f"{self.source.label} line {self._first[self.header[position]]}"

    def _objects(self, progress: Progress) -> Iterator[tuple[int, dict[str, Any]]]:
        lines = Lines(self, progress)
        for text in lines:
            if not text.strip():
                continue
            try:
                found = decode(text)
            except ValueError as error:
                raise self.error(lines.number, None, None, str(error)) from None
            if not isinstance(found, dict):
                reason = "is no JSON object, and load reads one a line: jq -c '.[]' makes them of an array"
                raise self.error(lines.number, None, None, reason)
            yield lines.number, found
