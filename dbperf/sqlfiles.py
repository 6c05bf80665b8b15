"""Where the SQL is: ``sql/`` beside the package in a checkout, inside the package when installed."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def sql_dir() -> Path:
    """The directory that holds ``migrations``, ``lib``, ``legacy`` and ``queries``.

    A checkout comes first: an editable install may have left a stale copy inside the package.
    """
    package = Path(__file__).resolve().parent
    checkout = package.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "sql" / "migrations").is_dir():
        return checkout / "sql"
    return package / "sql"


def read(name: str) -> str:
    """The text of ``sql/<name>``."""
    return (sql_dir() / name).read_text(encoding="utf-8")
