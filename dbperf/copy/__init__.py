"""Writers that use COPY. ``rows.py`` is generated from ``dbperf/aio/rows.py``."""

from dbperf.copy.encoding import CopyResult
from dbperf.copy.rows import copy_rows

__all__ = ["CopyResult", "copy_rows"]
