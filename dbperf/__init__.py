"""dbperf makes an existing PostgreSQL trading database fast, and hard to lose data from."""

from dbperf import aio, errors
from dbperf.copy import CopyResult, Progress, copy_arrow, copy_columns, copy_rows
from dbperf.database import connect
from dbperf.migrations import migrate

__all__ = ["CopyResult", "Progress", "aio", "connect", "copy_arrow", "copy_columns", "copy_rows", "errors", "migrate"]
