"""Writers that use COPY. ``writers.py`` is generated from ``dbperf/aio/writers.py``."""

from dbperf.copy.encoding import CopyResult
from dbperf.copy.writers import copy_arrow, copy_columns, copy_rows

__all__ = ["CopyResult", "copy_arrow", "copy_columns", "copy_rows"]
