"""Which format a file has."""

from __future__ import annotations

from pathlib import PurePath

from dbperf.errors import UsageError
from dbperf.load.csvfile import PLAIN, CsvReader, Dialect
from dbperf.load.ndjson import NdjsonReader
from dbperf.load.reader import Reader
from dbperf.load.source import Source

FORMATS = ("csv", "ndjson", "parquet")

_SUFFIXES = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".parquet": "parquet"}


def reader_of(source: Source, wanted: str | None = None, dialect: Dialect = PLAIN) -> Reader:
    """The reader for *source*.

    Args:
        source: the bytes.
        wanted: one of `FORMATS`; None: Parquet by its first bytes, else by the name, else NDJSON by a brace, else CSV.
        dialect: of CSV.

    Raises:
        FileError: the file is not of this format.
        UsageError: Parquet needs pyarrow, which is not installed; or *dialect* is for another format.
    """
    chosen = wanted or recognised(source)
    if chosen == "csv":
        return CsvReader(source, dialect)
    if dialect != PLAIN:
        raise UsageError(
            f"--delimiter, --fields and --null are for CSV, and {source.label} is {chosen} (--format csv?)"
        )
    if chosen == "parquet":
        try:
            from dbperf.load.parquet import ParquetReader
        except ImportError:
            raise UsageError(f"{source.name} is Parquet, which needs pyarrow: pip install 'dbperf[arrow]'") from None
        return ParquetReader(source)
    return NdjsonReader(source)


def recognised(source: Source) -> str:
    """The format of *source*, by what it holds and what it is called."""
    head = source.open().read(64)
    if head.startswith(b"PAR1"):
        return "parquet"
    for suffix in reversed(PurePath(source.label).suffixes[-2:]):  # ticks.csv.gz
        if suffix.lower() in _SUFFIXES:
            return _SUFFIXES[suffix.lower()]
    # "[" begins an array of objects, of which NdjsonReader knows what to say
    return "ndjson" if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[") else "csv"
