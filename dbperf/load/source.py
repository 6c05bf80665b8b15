"""The bytes of a file or of standard input: opened here and nowhere else, decompressed, as often as they are wanted."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from dbperf.errors import FileError, UsageError

#: As a file: standard input.
STDIN = "-"

#: Called with the number of bytes read since the last call, compressed as they lie there.
Progress = Callable[[int], object]

_CHUNK = 1 << 18

#: What files begin with. A zstd file may begin with a frame to be skipped.
_GZIP = re.compile(rb"\x1f\x8b")
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
_OTHERS = {
    "unzip -p": re.compile(rb"PK\x03\x04"),
    "bzip2 -dc": re.compile(rb"BZh[1-9]1AY&SY"),
    "xz -dc": re.compile(rb"\xfd7zXZ\x00"),
}


def unnoticed(read: int) -> None:
    """The progress that nobody wants to hear of."""


class Source:
    """A file that is read in several passes; as a context manager, because it stays open between them.

    What can be read only once, standard input or a pipe, is spooled to a temporary file without a name, in ``TMPDIR``
    or ``/var/tmp`` (``/tmp`` often is memory), which vanishes with this process even when it is killed.

    Args:
        file: a path, or `STDIN`.

    Attributes:
        name: as errors call it.
        label: the same, without directories.
        size: bytes, compressed as they lie there.

    Raises:
        UsageError: standard input is closed.
        FileError: it is compressed in a way that load does not read, or the disk has no room for the spool.
        OSError: the file cannot be opened.
    """

    def __init__(self, file: str | Path) -> None:
        self.name, self.label = (str(file), Path(file).name) if file != STDIN else ("standard input",) * 2
        self._kept = ExitStack()
        try:
            opened = _standard_input() if file == STDIN else Path(file).open("rb")  # noqa: SIM115  # open until close()
            self._file = self._kept.enter_context(opened)
            if file == STDIN or not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                self._file = self._spooled(self._file)
            self._opened = os.fstat(self._file.fileno())
            self.size = self._opened.st_size
            self._decompress = self._decompressor(os.pread(self._file.fileno(), 16, 0))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, and of what was spooled."""
        self._kept.close()

    def open(self, progress: Progress = unnoticed) -> io.BufferedIOBase:
        """The decompressed bytes from the first one on; each reader has a place of its own.

        Its reads raise FileError when compressed data are damaged or end early.
        """
        raw: io.BufferedIOBase = io.BufferedReader(_Reader(self._file, progress), _CHUNK)
        if self._decompress is None:
            return raw
        return io.BufferedReader(_Whole(self._decompress(raw), self.name), _CHUNK)

    def digest(self) -> str:
        """SHA-256 of the decompressed bytes."""
        return hashlib.file_digest(self.open(), "sha256").hexdigest()

    def check_unchanged(self) -> None:
        """Raise FileError if somebody has written to the file since it was opened: what was read may be neither."""
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._opened.st_size, self._opened.st_mtime_ns):
            raise FileError(self.name, None, None, None, "was changed while it was loaded: load it when it is complete")

    def seekable(self) -> io.RawIOBase:
        """The decompressed bytes in any order: what is compressed is spooled first."""
        return _Reader(self._file if self._decompress is None else self._spooled(self.open()), unnoticed)

    def _decompressor(self, head: bytes) -> Callable[[io.BufferedIOBase], Any] | None:
        for command, magic in _OTHERS.items():
            if magic.match(head):
                reason = f"load reads gzip and zstd, not this: {command} FILE | dbperf load - …"
                raise FileError(self.name, None, None, None, reason)
        if _GZIP.match(head):
            return lambda raw: gzip.GzipFile(fileobj=raw, mode="rb")
        return _zstd(self.name) if _ZSTD.match(head) else None

    def _spooled(self, source: IO[bytes] | io.BufferedIOBase) -> IO[bytes]:
        directory = os.environ.get("TMPDIR") or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else None)
        try:
            spool = self._kept.enter_context(tempfile.TemporaryFile(dir=directory))  # noqa: SIM115  # as above
            shutil.copyfileobj(source, spool, _CHUNK)
            spool.flush()
        except OSError as error:
            place = directory or tempfile.gettempdir()
            reason = f"it cannot be spooled to {place} ({error.strerror}): set TMPDIR to a directory with more room"
            raise FileError(self.name, None, None, None, reason) from None
        return spool


def _standard_input() -> IO[bytes]:
    if sys.stdin is None:
        raise UsageError("standard input is closed: name a file")
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb")


def _zstd(name: str) -> Callable[[io.BufferedIOBase], Any]:
    try:
        import pyarrow as pa
    except ImportError:
        raise UsageError(f"{name} is compressed with zstd, which needs pyarrow: pip install 'dbperf[arrow]'") from None
    return lambda raw: pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")


class _Reader(io.RawIOBase):
    """One of several readers of one open file, which do not move each other."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file, self._progress, self._at = file, progress, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: os.fstat(self._file.fileno()).st_size}
        self._at = origin[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._file.fileno(), len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        self._progress(len(data))
        return len(data)


class _Whole(io.RawIOBase):
    """Says what decompressors say in many ways: these bytes are not all there, or not the right ones."""

    def __init__(self, plain: Any, name: str) -> None:
        self._plain, self._name = plain, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            size: int = self._plain.readinto(buffer)
        except (EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno:  # of the disk
                raise
            reason = f"its compressed data end early or are damaged ({error})"
            raise FileError(self._name, None, None, None, reason) from None
        return size
