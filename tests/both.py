"""Run pytest on both ends of the supported range, PostgreSQL 18 and 15, each closing with its own line.

At the same time, one on each core; the second one's output follows the first one's, and what failed is
listed once more at the end, where a log that is cut still has it. What meets no server (style, the command
line's help, parsers, the wheel) is tested once, beside 18. Without PostgreSQL 15 its run is left out, and
said so; with CI=true that is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import IO

from tests.conftest import debian_bin

MAJORS = ("18", "15")


def main(arguments: list[str]) -> int:
    """0 if every run passed."""
    majors = [major for major in MAJORS if _is_wanted(major)]
    with tempfile.TemporaryFile() as held_back:
        first, *others = (_start(major, arguments, held_back) for major in majors)
        shown = _show(first)
        codes = [run.wait() for run in (first, *others)]
        held_back.seek(0)
        shown += _write(held_back.read())
    for major in MAJORS:
        if major not in majors:
            print(f"PostgreSQL {major}: not installed, NOT TESTED (apt-get install postgresql-{major})")
    for line in shown.decode(errors="replace").splitlines():
        if any(codes) and line.startswith(("FAILED ", "ERROR ", "PostgreSQL ")):
            print(line)
    return max(codes)


def _is_wanted(major: str) -> bool:
    return major == MAJORS[0] or os.environ.get("CI") == "true" or (debian_bin(major) / "postgres").exists()


def _start(major: str, arguments: list[str], held_back: IO[bytes]) -> subprocess.Popen[bytes]:
    is_first = major == MAJORS[0]
    command = [sys.executable, "-m", "pytest", "--pg", major, *([] if is_first else ["--again"]), *arguments]
    environment = {"DBPERF_TEST_BUDGET_MS": "1500"} | os.environ
    output = subprocess.PIPE if is_first else held_back
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)


def _show(run: subprocess.Popen[bytes]) -> bytes:
    """What the run prints, which is shown as it comes."""
    assert run.stdout
    shown = b""
    while some := os.read(run.stdout.fileno(), 1 << 16):
        shown += _write(some)
    return shown


def _write(output: bytes) -> bytes:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    return output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
