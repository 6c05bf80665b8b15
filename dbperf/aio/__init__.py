"""The same names for asyncio."""

from dbperf.aio.writers import copy_arrow, copy_columns, copy_rows

__all__ = ["copy_arrow", "copy_columns", "copy_rows"]
