"""What dbperf raises.

Each class also is the psycopg class that existing code would catch for the same
trouble, so an ``except psycopg.DataError`` keeps working. The message is one
sentence that ends with the remedy; no message ever holds a password.
"""

from __future__ import annotations

from typing import Any

import psycopg

__all__ = [
    "AdoptionError",
    "BadRowsError",
    "BatchError",
    "ColumnError",
    "DbperfError",
    "DriftError",
    "FileError",
    "LockedError",
    "MigrationError",
    "NoDatabaseError",
    "NotEmptyError",
    "OrphanError",
    "PartitionBoundsError",
    "PartitionError",
    "PoolerError",
    "RebuildError",
    "RightsError",
    "RowError",
    "ServerError",
    "SettledError",
    "UsageError",
]


class DbperfError(Exception):
    """Base of every error that dbperf raises itself."""


class UsageError(DbperfError, ValueError):
    """The call itself is wrong: an argument that cannot be meant. Exit code 64."""


class NoDatabaseError(UsageError):
    """Nothing says which database to use."""


class ServerError(DbperfError, psycopg.OperationalError):
    """The embedded server could not be made, started or stopped."""


class MigrationError(DbperfError, psycopg.ProgrammingError):
    """The migrations cannot be applied or rolled back."""


class DriftError(MigrationError):
    """The database and the code disagree about what was applied."""


class AdoptionError(MigrationError):
    """The existing tables are not the legacy trading tables; SQLSTATE ``DP001``."""


class NotEmptyError(MigrationError):
    """Rows or foreign objects would be lost; SQLSTATE ``DP002``."""


class OrphanError(MigrationError):
    """Rows have lost the row that they reference; SQLSTATE ``DP003``."""


class SettledError(MigrationError):
    """Settled money would change its type; SQLSTATE ``DP004``."""


class PartitionError(DbperfError, psycopg.ProgrammingError):
    """A partition cannot be made as asked."""


class RebuildError(DbperfError, psycopg.ProgrammingError):
    """A table cannot be rebuilt, cut over or reverted as asked."""


class PartitionBoundsError(DbperfError, psycopg.DataError):
    """A time is further from now than the table's partition policy allows; SQLSTATE ``DP005``."""


class LockedError(DbperfError, psycopg.OperationalError):
    """Another session migrates the same database and did not finish in time."""


class PoolerError(DbperfError, psycopg.OperationalError):
    """The connection goes through a pooler that shares sessions."""


class ColumnError(DbperfError, psycopg.ProgrammingError):
    """A table or column cannot be written as asked; raised before a byte is sent."""


class RowError(DbperfError, psycopg.DataError):
    """A value does not fit its column. Nothing of the batch is stored.

    Attributes:
        row: number of the row within the batch, from 1.
        column: name of the column, or None when the row as a whole is wrong.
        value: the offending value, or None.
        reason: what is wrong, without the position.
    """

    def __init__(self, row: int, column: str | None, value: Any, reason: str) -> None:
        self.row, self.column, self.value, self.reason = row, column, value, reason
        where = f"row {row}" if column is None else f"row {row}, column {column}"
        super().__init__(f"{where}: {reason}")


class RightsError(DbperfError, psycopg.errors.InsufficientPrivilege):
    """The role may not do what the options ask for; SQLSTATE 42501. Nothing of the batch is stored."""


class BadRowsError(DbperfError, psycopg.DataError):
    """A batch has more bad rows than it may have; SQLSTATE ``DP006``. Nothing of it is stored."""


class BatchError(DbperfError, psycopg.IntegrityError):
    """A batch id was used before, for other content or another table; SQLSTATE ``DP007``. Nothing was stored now."""


class FileError(DbperfError, psycopg.DataError):
    """A file, or a line of it, cannot be loaded. Nothing of the file is stored.

    Attributes:
        path: as it was named; "standard input".
        line: where, counted in units; None: the file as a whole.
        column, value: and what stands there, or None.
        reason: what is wrong, without the position.
        unit: "line", or "row" of a file that has no lines.
    """

    def __init__(
        self, path: str, line: int | None, column: str | None, value: Any, reason: str, unit: str = "line"
    ) -> None:
        self.path, self.line, self.column, self.value, self.reason, self.unit = path, line, column, value, reason, unit
        where = path + (f" {unit} {line}" if line else "") + (f", column {column}" if column else "")
        shown = "" if value is None else f"{_cut(str(value))!r}: "
        super().__init__(f"{where}: {shown}{reason}; nothing was loaded")


#: SQLSTATEs raised by the SQL in schema dbperf, and what they become in Python.
SQLSTATES: dict[str, type[DbperfError]] = {
    "DP001": AdoptionError,
    "DP002": NotEmptyError,
    "DP003": OrphanError,
    "DP004": SettledError,
    "DP005": PartitionBoundsError,
    "DP006": BadRowsError,
    "DP007": BatchError,
}


def own_error(error: psycopg.Error) -> psycopg.Error | DbperfError:
    """The exception for one of dbperf's SQLSTATEs; any other *error* itself."""
    kind = SQLSTATES.get(error.sqlstate or "")
    return kind(sentence(error)) if kind and not isinstance(error, DbperfError) else error


def sentence(error: BaseException) -> str:
    """One line for *error*: the server's message, its detail and its hint, without a traceback."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        diag = error.diag
        parts = [diag.message_primary or "", diag.message_detail or "", diag.message_hint or ""]
        # "x; detail; hint": the server ends details with a full stop, messages without
        cleaned = [part.strip().rstrip(".") for part in parts if part]
        text = "; ".join(cleaned[:1] + [_continued(part) for part in cleaned[1:]])
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())


def _continued(part: str) -> str:
    """*part* after a semicolon; SQL keeps its capitals."""
    return part[:1].lower() + part[1:] if part[1:2].islower() else part


def _cut(text: str) -> str:
    """*text*, so short that a sentence around it can be read."""
    return text if len(text) <= 200 else text[:197] + "..."
