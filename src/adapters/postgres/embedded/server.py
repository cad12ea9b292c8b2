"""The PostgreSQL server from a wheel, started in the data folder when no external server is configured.

`initdb` and `postgres` are run by this module, not by the wheel's own code: unix socket only, data folder 0700, as an
unprivileged account when this process is root, and without widening any folder that is not ours (ADR 0003).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from ...private_folder import close_file, make_private
from ...system_clock import SYSTEM_CLOCK
from ..command_connection import CommandConnection
from ..outages import ReplyMissing, unavailable
from . import new_data
from .access import ROLE, client_arguments, password_file, require_password
from .process import end_of_process, end_orphans, has_ended, reap, remove_locks, works_in
from .programs import EmbeddedServerError, ServerNotUp, as_account, find_programs, unprivileged_account

_log = logging.getLogger("photochanger.postgres")

_MAX_SOCKET_FOLDER_CHARS = 107 - len("/.s.PGSQL.5432") - 1
_SOCKET = "socket"
_SOCKET_RECORD = "socket.path"
_START_TIMEOUT = timedelta(seconds=60)
_RETRY_TIMEOUT = timedelta(seconds=30)
"""How long a start that fails at once is tried again."""

_CREATE_SECONDS = 60.0
"""Limit for the statement that creates a database, which copies files."""

_STOP_TIMEOUT = timedelta(seconds=60)
_REVIVE_PAUSE_SECONDS = 1.0
_RETRY_PAUSE_SECONDS = 0.5
_RECOVERY_PAUSE_SECONDS = 0.05
_POLL_PAUSE_SECONDS = 0.01
_MAX_SHOWN_BYTES, _SHOWN_LINES = 2000, 5
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
if sys.platform == "linux":
    _SETTINGS["recovery_init_sync_method"] = (
        "syncfs"  # after a crash: one call instead of one for each file of the data
    )


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
    def start(cls, folder: Path, *, given_up: threading.Event | None = None) -> EmbeddedServer:
        """Join the server of this folder, starting it (and making its data) if need be.

        Blocks for about a second at the first start, and for longer where the server does not start: a start is tried
        again for half a minute, unless it is `given_up`. Raises EmbeddedServerError with the end of the server's log.
        """
        folder = folder.absolute()
        try:
            make_private(folder)
            with _locked(folder / "start.lock"):
                users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    # Shared even before the server runs: the one who leaves takes `start.lock` first, too.
                    fcntl.flock(users, fcntl.LOCK_SH)
                    if not password_file(folder).exists():
                        _stop(folder, for_good=False)  # none of its clients could connect again
                    socket_folder = _join(folder, given_up or threading.Event())
                except BaseException:
                    os.close(users)
                    raise
        except OSError as error:
            raise EmbeddedServerError(f"The embedded PostgreSQL cannot be started in {folder}: {error}") from error
        return cls(folder, socket_folder, users)

    def url(self, database: str = ROLE) -> str:
        """A connection URL for one of its databases. It names the file with the password."""
        passwords, host = quote(str(password_file(self._folder))), quote(self._socket_folder)
        return f"postgresql://{ROLE}@/{quote(database)}?passfile={passwords}&host={host}"

    def ensure_database(self, name: str) -> None:
        """Create the database unless it exists; safe while other processes do the same. DatabaseUnavailable."""
        with unavailable(), CommandConnection.connect(self.url("postgres"), autocommit=True) as connection:
            connection.reply_within = _CREATE_SECONDS
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
                    pid = int(lines[0])
                    if await asyncio.to_thread(_is_server, pid, self._folder):
                        await end_of_process(pid)
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


def _join(folder: Path, given_up: threading.Event) -> str:
    """The socket folder of the server, which is started where it does not run; again where that fails for now."""
    until = SYSTEM_CLOCK.monotonic() + _RETRY_TIMEOUT
    logged = ""
    while True:
        try:
            return _running(folder) or _launch(folder)
        except ServerNotUp as error:
            if given_up.is_set() or SYSTEM_CLOCK.monotonic() >= until:
                raise
            if logged != error.reason:
                _log.warning("embedded PostgreSQL did not start; trying again: %s", error.reason)
                logged = error.reason
            given_up.wait(_RETRY_PAUSE_SECONDS)


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
    if len(lines) < 5 or lines[4] not in _known_socket_folders(folder):
        return None
    deadline = SYSTEM_CLOCK.monotonic() + _START_TIMEOUT
    while SYSTEM_CLOCK.monotonic() < deadline:
        try:
            with CommandConnection.connect(**client_arguments(folder, host=lines[4]), connect_timeout=5) as connection:
                row = connection.execute("select system_identifier from pg_control_system()").fetchone()
            return lines[4] if row is not None and row[0] == _system_identifier(folder) else None
        except (psycopg.errors.CannotConnectNow, psycopg.errors.ConnectionTimeout, ReplyMissing):
            time.sleep(_RECOVERY_PAUSE_SECONDS)  # it recovers, shuts down or is slow; each ends
        except psycopg.OperationalError:
            return None
    return None


def _system_identifier(folder: Path) -> int:
    """The number that names this data, from the first eight bytes of its control file."""
    with (_data(folder) / "global" / "pg_control").open("rb") as control:
        return int.from_bytes(control.read(8), "little")


def _launch(folder: Path) -> str:
    """Start the server, creating its data if missing; returns its socket folder."""
    account = unprivileged_account()
    programs = find_programs(shared=account is not None)
    data = _data(folder)
    socket_folder = _socket_folder(folder, account)
    log = folder / "postgres.log"
    logged_bytes = log.stat().st_size if log.exists() else 0
    if not (lines := _pid_file(folder)) or not _is_server(int(lines[0]), folder):
        end_orphans(data)
        remove_locks(data, Path(socket_folder))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as output:
        close_file(output.fileno())
        if new_data.is_missing(data):
            new_data.create(data, programs, account, log=output)
        directory = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            place = new_data.path_for(data, account, directory)
            postgres = [str(programs / "postgres")]
            require_password(folder, [*postgres, "--single", "-D", place], as_account(account, directory), log=output)
            settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
            process = subprocess.Popen(
                [*postgres, "-D", place, "-k", socket_folder, *settings],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **as_account(account, directory),
            )
        finally:
            os.close(directory)
    if not _has_started(folder, process):
        # The socket folder stays: existing clients look for the server at this address.
        raise ServerNotUp(_last_lines(log, since=logged_bytes))
    return socket_folder


def _has_started(folder: Path, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server is ready; False once it has ended, which a server that takes too long is made to."""
    deadline = SYSTEM_CLOCK.monotonic() + _START_TIMEOUT
    while SYSTEM_CLOCK.monotonic() < deadline:
        if process.poll() is not None:
            return False
        lines = _pid_file(folder)
        if lines and lines[0].strip() == str(process.pid) and len(lines) >= 8 and lines[7].strip() == "ready":
            return True
        time.sleep(_POLL_PAUSE_SECONDS)
    process.kill()
    process.wait()
    return False


def _last_lines(log: Path, *, since: int) -> str:
    """The last lines that were added to the log after its first `since` bytes, in one line."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(since, end - _MAX_SHOWN_BYTES))
        lines = file.read(_MAX_SHOWN_BYTES).decode(errors="replace").splitlines()
    return " | ".join(lines[-_SHOWN_LINES:]) or "it was ended before it logged anything"


def _stop(folder: Path, *, for_good: bool = True) -> None:
    """A fast shutdown: running statements are cancelled, everything committed is kept.

    Unless it is `for_good`, the next server has the same address.
    """
    lines = _pid_file(folder)
    if len(lines) < 5 or not _is_server(pid := int(lines[0]), folder):
        return
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(process, signal.SIGINT)
        if has_ended(process, within=_STOP_TIMEOUT):
            reap(pid)
    finally:
        os.close(process)
    if for_good and lines[4] in _known_socket_folders(folder):
        shutil.rmtree(lines[4], ignore_errors=True)


def _known_socket_folders(folder: Path) -> list[str]:
    """Where the socket of this folder's server may be: its pid file is not believed, as its account is shared."""
    record = folder / _SOCKET_RECORD
    return [str(folder / _SOCKET), *([record.read_text()] if record.exists() else [])]


def _is_server(pid: int, folder: Path) -> bool:
    """Whether this process is the server of the folder. It works in its data; its password may be lost."""
    if not Path("/proc/self/cwd").exists():
        return _running(folder) is not None
    return works_in(pid, _data(folder))


def _socket_folder(folder: Path, account: pwd.struct_passwd | None) -> str:
    """A private folder for the socket: next to the data where that path is short enough and accessible."""
    own = folder / _SOCKET
    if account is None and len(str(own)) <= _MAX_SOCKET_FOLDER_CHARS:
        make_private(own)
        return str(own)
    owner = os.geteuid() if account is None else account.pw_uid
    record = folder / _SOCKET_RECORD
    # After a crash the server returns at the same address, so that its clients find it again.
    if record.exists() and _is_private(known := Path(record.read_text()), owner):
        return str(known)
    private = tempfile.mkdtemp(prefix="photochanger-pg-", dir="/tmp")
    if account is not None:
        os.chown(private, account.pw_uid, account.pw_gid)
    record.unlink(missing_ok=True)
    with os.fdopen(os.open(record, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(private)
    return private


def _is_private(folder: Path, owner: int) -> bool:
    try:
        facts = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == owner and not facts.st_mode & 0o077
