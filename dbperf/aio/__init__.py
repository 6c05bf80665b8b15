"""The same names for asyncio."""

from dbperf.aio.writers import copy_columns, copy_rows

__all__ = ["copy_columns", "copy_rows"]
