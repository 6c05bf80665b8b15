"""The wheel, in an empty environment outside the checkout; the generated code."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import psycopg
import pytest

from dbperf.migrations import files, status

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(target),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    return next(target.glob("dbperf-*.whl"))


def test_the_wheel_holds_the_sql_and_nothing_beside_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "dbperf",
        next(n for n in names if ".dist-info" in n).split("/")[0],
    }
    expected = {f"dbperf/{path.relative_to(ROOT)}" for path in (ROOT / "sql").rglob("*.sql")}
    assert {name for name in names if name.endswith(".sql")} == expected
    assert "dbperf/py.typed" in names


@pytest.mark.once
def test_the_wheel_migrates_an_empty_server(wheel: Path, tmp_path: Path, empty_db: str) -> None:
    place = tmp_path / "environment"
    venv.create(place)
    command = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "install", "--quiet", str(wheel)]
    subprocess.run(command, check=True, cwd=tmp_path)
    command = [str(place / "bin" / "dbperf"), "--dsn", empty_db, "migrate"]
    done = subprocess.run(command, check=True, cwd=tmp_path, text=True, capture_output=True)
    assert done.stdout.count("applied") == len(files.migrations())
    with psycopg.connect(empty_db) as conn:
        assert status(conn).code == 0


def test_the_sync_writers_are_generated_from_the_async_ones() -> None:
    subprocess.run([Path(sys.executable).with_name("unasyncd"), "--check", "--quiet"], check=True, cwd=ROOT)
