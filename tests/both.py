"""Run pytest on both ends of the supported range, PostgreSQL 18 and 15, each closing with its own line.

At the same time, one on each core; the second one's output follows the first one's. What meets no server
(style, the command line's help, parsers, the wheel) is tested once, beside 18. Without PostgreSQL 15 its run
is left out, and said so; with CI=true that is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from tests.conftest import debian_bin

MAJORS = ("18", "15")


def main(arguments: list[str]) -> int:
    """0 if every run passed."""
    with tempfile.TemporaryFile() as held_back:
        runs = {}
        environment = {"DBPERF_TEST_BUDGET_MS": "600"} | os.environ
        for major in MAJORS:
            if major == "18" or os.environ.get("CI") == "true" or (debian_bin(major) / "postgres").exists():
                is_first = major == MAJORS[0]
                command = [
                    sys.executable,
                    "-m",
                    "pytest",
                    "--pg",
                    major,
                    *([] if is_first else ["--again"]),
                    *arguments,
                ]
                output = None if is_first else held_back
                runs[major] = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        codes = [run.wait() for run in runs.values()]
        held_back.seek(0)
        sys.stdout.write(held_back.read().decode(errors="replace"))
    for major in MAJORS:
        if major not in runs:
            print(f"PostgreSQL {major}: not installed, NOT TESTED (apt-get install postgresql-{major})")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
