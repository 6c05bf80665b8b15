"""The same names for asyncio."""

from dbperf.aio.rows import copy_rows

__all__ = ["copy_rows"]
