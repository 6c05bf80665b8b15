"""Writers that use COPY. ``writers.py`` and ``batch.py`` are generated from ``dbperf/aio``."""

from dbperf.copy.options import CopyResult, Progress
from dbperf.copy.writers import copy_arrow, copy_columns, copy_rows

__all__ = ["CopyResult", "Progress", "copy_arrow", "copy_columns", "copy_rows"]
