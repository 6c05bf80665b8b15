"""``python -m dbperf``."""

from dbperf.cli import main

main()
