"""What every format of a file offers, and what the text formats have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

from dbperf.copy.catalog import Column
from dbperf.errors import FileError
from dbperf.load.source import Progress, Source, unnoticed
from dbperf.load.values import FieldParser

#: Where a record stands (line of a text, row of a table, from 1) and its values, in the order of the header.
Record = tuple[int, Sequence[Any]]

#: Bytes of the longest line, and of the longest record of CSV, which quotes stretch over many: they are held as a
#: whole, and a file without line ends, or with a quote that is never closed, must not fill the memory.
LONGEST_LINE = 1 << 24

#: Why a file cannot be read, and that it says so itself.
_NOT_UTF8 = "is not UTF-8: if it is Latin-1, iconv -f LATIN1 -t UTF-8 FILE | dbperf load - …"
_UTF16 = "is UTF-16, and load reads UTF-8: iconv -f UTF-16 -t UTF-8 FILE | dbperf load - …"


class Reader(ABC):
    """The records of a file, in as many passes as are wanted.

    Attributes:
        source: the bytes.
        header: the names of the fields.
        unit: what places are counted in.
        nulls: texts that are NULL, where no text goes.
    """

    unit = "line"
    nulls: Sequence[str] = ()

    def __init__(self, source: Source) -> None:
        self.source = source
        self.header: list[str] = []

    @abstractmethod
    def records(self, progress: Progress = unnoticed) -> Iterator[Record]:
        """Every record from the first one on.

        Raises:
            FileError: the file is not what it should be, there and then.
        """

    @abstractmethod
    def parser(self, position: int, column: Column, *, rounds: bool) -> FieldParser:
        """How a value of the field at *position* becomes one of *column*; as `values.parser`, and NULL is None."""

    def field(self, position: int) -> Iterator[Any]:
        """The values of one field, of every record."""
        return (values[position] for _, values in self.records())

    def record(self, number: int) -> Record:
        """Record *number*, from 1; the file is read up to there."""
        return next(islice(self.records(), number - 1, None))

    def whole(
        self, filled: Sequence[tuple[int, Column]], constants: dict[str, int], progress: Progress
    ) -> AbstractContextManager[Any] | None:
        """The whole file for `copy_arrow`, if its values need not be parsed one by one; only within the context.

        Args:
            filled: positions in the header, and the columns that they fill.
            constants: integers for further columns.
            progress: as of `records`.
        """
        return None

    def where(self, position: int) -> str:
        """Where the file names a field, for errors."""
        return self.source.label

    def error(self, place: int | None, column: str | None, value: object, reason: str) -> FileError:
        """An error of this file."""
        return FileError(self.source.name, place, column, value, reason, self.unit)


class Lines:
    """Lines of UTF-8 text.

    Attributes:
        number: of the line that was read last, from 1.
        size: its bytes.
    """

    def __init__(self, reader: Reader, progress: Progress) -> None:
        self._reader, self._progress = reader, progress
        self.number = self.size = 0

    def __iter__(self) -> Iterator[str]:
        handle = self._reader.source.open(self._progress)
        while raw := handle.readline(LONGEST_LINE + 1):
            self.number += 1
            self.size = len(raw)
            if self.size > LONGEST_LINE:
                raise self._reader.error(self.number, None, None, f"is longer than {LONGEST_LINE >> 20} MiB")
            try:
                yield raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
            except UnicodeDecodeError:
                utf16 = self.number == 1 and raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
                raise self._reader.error(self.number, None, None, _UTF16 if utf16 else _NOT_UTF8) from None
