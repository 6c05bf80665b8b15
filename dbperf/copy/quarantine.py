"""Bad rows that never reached the server, on their way into ``dbperf.quarantine``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Json, Jsonb

from dbperf.copy.reasons import show
from dbperf.errors import BadRowsError, RowError, sentence

INSERT = """
INSERT INTO dbperf.quarantine (target, batch_id, row_number, sqlstate, reason, column_name, row_data)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""

#: An integer of fewer has less than the 4,300 digits that Python writes.
_BITS = 14_000

#: data_exception: what a value is that cannot be sent.
_DATA_EXCEPTION = "22000"


class Quarantine:
    """Collects bad rows of one batch.

    Args:
        target: table they were for, schema first.
        batch_id: their batch, if it has a name.
        limit: how many there may be.
        encoding: of what the connection and the database hold; other characters are escaped as Python does it.
    """

    def __init__(self, target: str, batch_id: str | None, limit: int, encoding: str) -> None:
        self.target, self.batch_id, self.limit, self.encoding = target, batch_id, limit, encoding
        self.rows: list[tuple[Any, ...]] = []

    def refuse(self, error: RowError, row: Any) -> None:
        """Add a row that does not fit.

        Raises:
            BadRowsError: it is one too many.
        """
        self._add(error.row, _DATA_EXCEPTION, str(error), error.column, row)

    def refuse_for_server(self, number: int, error: psycopg.Error, row: Any) -> None:
        """Add the row *number*, from 1, that the server could not read.

        Raises:
            BadRowsError: it is one too many.
        """
        self._add(number, error.sqlstate or _DATA_EXCEPTION, sentence(error), error.diag.column_name, row)

    @property
    def left(self) -> int:
        """How many bad rows there may be besides."""
        return self.limit - len(self.rows)

    def _add(self, number: int, sqlstate: str, reason: str, column: str | None, row: Any) -> None:
        if not self.left:
            raise BadRowsError(
                f"the batch has more bad rows than max_errors allows, the last one {reason}; nothing of it was stored: "
                "mend the rows, or raise max_errors"
            )
        try:
            data = readable(row, self.encoding)
        except RecursionError:
            data = _printable(show(row), self.encoding)
        reason = _printable(reason, self.encoding)
        self.rows.append((self.target, self.batch_id, number, sqlstate, reason, column, Jsonb(data)))


def encoding_of(conn: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> str:
    """Python's name for an encoding that the connection and the database both have."""
    return conn.info.encoding if conn.info.parameter_status("server_encoding") == "UTF8" else "ascii"


def readable(value: Any, encoding: str) -> Any:
    """*value* as JSON has it; what JSON has not, as text."""
    if type(value).__module__ == "numpy" and value.dtype.kind in "biufSUO":
        value = value.tolist()
    if isinstance(value, (Json, Jsonb)):
        value = json.loads((value.dumps or json.dumps)(value.obj))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() < _BITS else show(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, Mapping):
        return {_printable(str(key), encoding): readable(each, encoding) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(each, encoding) for each in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\\x" + bytes(value).hex()
    return _printable(str(value), encoding)


def _printable(text: str, encoding: str) -> str:
    """Without what jsonb and text do not hold."""
    return text.encode(encoding, "backslashreplace").decode(encoding).replace("\0", "\\x00")
