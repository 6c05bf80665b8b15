"""Run pytest on both ends of the supported range, PostgreSQL 18 and 15, each closing with its own line.

Without PostgreSQL 15 the second run is left out, and said so; with CI=true that is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import debian_bin


def main(arguments: list[str]) -> int:
    """Exit code of the first run that failed, else 0."""
    for major in ("18", "15"):
        missing = major != "18" and not (debian_bin(major) / "postgres").exists()
        if missing and os.environ.get("CI") != "true":
            print(f"PostgreSQL {major}: not installed, NOT TESTED (apt-get install postgresql-{major})", flush=True)
            continue
        code = subprocess.call([sys.executable, "-m", "pytest", "--pg", major, *arguments])
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
