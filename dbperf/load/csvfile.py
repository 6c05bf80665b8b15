"""A CSV file read line by line, so that every record knows where it stands."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

from dbperf.errors import FileError

_REPORT_EVERY = 1 << 16  # bytes between two calls of the progress callback


class CsvFile:
    """A UTF-8 file with a header line.

    Args:
        path: the file.
        progress: called now and then with the number of bytes read since the last call.

    Attributes:
        header: the field names, stripped.
        line: where the current record begins, from 1.
    """

    def __init__(self, path: Path, progress: Callable[[int], object] = lambda read: None) -> None:
        self.path = path
        self.line = 0
        self._read = 0
        self._progress = progress
        self._unreported = 0
        self._shifts: list[tuple[int, int]] = []  # (record, line - record) wherever the difference changes
        self._records = self._parse()
        self.header = [name.strip() for name in next(self._records, [])]
        if not any(self.header):
            raise FileError(path, 1, None, None, "there is no header line")

    def records(self) -> Iterator[list[str]]:
        """Yield each record after the header; blank lines are none."""
        number = 0
        for fields in self._records:
            if not fields:
                continue
            number += 1
            if not self._shifts or self._shifts[-1][1] != self.line - number:
                self._shifts.append((number, self.line - number))
            if len(fields) != len(self.header):
                reason = f"has {len(fields)} fields, the header has {len(self.header)}"
                raise FileError(self.path, self.line, None, None, reason)
            yield fields
        self._progress(self._unreported)

    def line_of(self, record: int) -> int:
        """The line at which *record* (from 1) begins; it must have been read."""
        shift = [shift for first, shift in self._shifts if first <= record]
        return record + (shift[-1] if shift else 1)

    def _parse(self) -> Iterator[list[str]]:
        with self.path.open("rb") as handle:
            reader = csv.reader(self._lines(handle), strict=True)
            while True:
                begins = self._read + 1
                try:
                    fields = next(reader, None)
                except csv.Error as error:
                    raise FileError(self.path, begins, None, None, f"is not CSV: {error}") from None
                if fields is None:
                    return
                self.line = begins
                yield fields

    def _lines(self, handle: Iterator[bytes]) -> Iterator[str]:
        for raw in handle:
            self._read += 1
            self._unreported += len(raw)
            if self._unreported >= _REPORT_EVERY:
                self._progress(self._unreported)
                self._unreported = 0
            try:
                yield raw.decode("utf-8-sig" if self._read == 1 else "utf-8")
            except UnicodeDecodeError:
                raise FileError(self.path, self._read, None, None, "is not UTF-8") from None
