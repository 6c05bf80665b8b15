"""dbperf makes an existing PostgreSQL trading database fast, and hard to lose data from."""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than the rest of `dbperf.__main__`
if TYPE_CHECKING:
    from typing import Any

    from dbperf import aio, errors
    from dbperf.copy import CopyResult, Progress, copy_arrow, copy_columns, copy_rows
    from dbperf.database import connect
    from dbperf.migrations import migrate

__all__ = ["CopyResult", "Progress", "aio", "connect", "copy_arrow", "copy_columns", "copy_rows", "errors", "migrate"]

_HOMES = {"connect": "dbperf.database", "migrate": "dbperf.migrations"}

_MODULES = ("aio", "copy", "database", "errors", "migrations")


def __getattr__(name: str) -> Any:
    """Import *name* when it is asked for: the command line begins before, or Ctrl-C would show where it came."""
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"dbperf.{name}")  # which sets the attribute
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOMES.get(name, "dbperf.copy")), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
