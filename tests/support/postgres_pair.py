"""Two PostgreSQL servers on loopback: a primary, and a standby with streaming replication that can be promoted."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
from photochanger.adapters.postgres import migrate
from photochanger.adapters.postgres.embedded.programs import as_account, find_programs, unprivileged_account
from psycopg import sql

from tests.support.ports import bound_to
from tests.support.service import HANG_SECONDS, eventually

DATABASE, ROLE, PASSWORD = "photos", "photochanger", "secret/of the pair"

_ADMINISTRATOR = "postgres"
_STANDBY = "second"
_RULES = "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_receiver_timeout": "5s",
    "wal_retrieve_retry_interval": "100ms",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PairServer:
    """One of the two servers. Its log is next to its data."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._place = bound_to(0)
        self.port: int = self._place.getsockname()[1]
        self._log = data.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[psutil.Process] = []

    def follow(self, primary: PairServer) -> None:
        """Be the standby of this server from the next start."""
        (self.data / "standby.signal").touch()
        place = f"host=127.0.0.1 port={primary.port} user={_ADMINISTRATOR} password='{PASSWORD}'"
        value = f"{place} application_name={_STANDBY}".replace("'", "''")
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{value}'\n")

    def copy_from(self, primary: PairServer) -> None:
        """Have the data of this server, which runs, instead of one's own, and be its standby from the next start."""
        shutil.rmtree(self.data)
        program = find_programs(shared=False) / "pg_basebackup"
        url = primary.url(_ADMINISTRATOR, "postgres")
        subprocess.run([str(program), "-d", url, "-D", str(self.data), "-c", "fast", "--no-sync"], check=True)
        _give_to_account(self.data)
        self.follow(primary)

    def start(self, **settings: str) -> None:
        """Start it, and return when it answers."""
        account = unprivileged_account()
        programs = find_programs(shared=account is not None)
        options = [f"-c{name}={value}" for name, value in (_SETTINGS | settings).items()]
        directory = os.open(self.data, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [str(programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *options],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    **as_account(account, directory),
                )
        finally:
            os.close(directory)
        eventually(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-3000:]
        with contextlib.suppress(psycopg.OperationalError):
            return self.rows("select true", database="postgres") == [(True,)]
        return False

    def rows(self, query: str, *parameters: Any, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """What a query of the administrator finds."""
        url = self.url(_ADMINISTRATOR, database)
        with psycopg.connect(url, autocommit=True, connect_timeout=HANG_SECONDS) as connection:
            done = connection.execute(query.encode(), parameters or None)
            return done.fetchall() if done.description else []

    def url(self, role: str = ROLE, database: str = DATABASE) -> str:
        return f"postgresql://{role}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def configure(self, setting: str, value: str) -> None:
        """Change a setting while it runs."""
        change = sql.SQL("alter system set {} = {}").format(sql.Identifier(setting), sql.Literal(value))
        self.rows(change.as_string())
        self.rows("select pg_reload_conf()")

    def require_standby(self) -> None:
        """From now on a durable commit returns when the standby has it on its disk."""
        self.configure("synchronous_standby_names", _STANDBY)

    def promote(self) -> None:
        """Make the standby a primary."""
        assert self.rows("select pg_promote(true, %s)", HANG_SECONDS) == [(True,)]

    def kill(self) -> None:
        """`kill -9` for all of its processes, as when its machine loses power."""
        assert self._process is not None
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(HANG_SECONDS)

    def freeze(self) -> None:
        """No process of it gets on; the kernel still accepts connections for it."""
        self._frozen = self._processes()
        for process in self._frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """End the freeze."""
        frozen, self._frozen = self._frozen, []
        for process in reversed(frozen):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def stop(self) -> None:
        """End it, however it is, and keep what is committed."""
        if self._process is None or self._process.poll() is not None:
            return
        self.resume()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._place.close()

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # it starts no further one
        return [postmaster, *postmaster.children(recursive=True)]


class PostgresPair:
    """A primary and its standby."""

    def __init__(self, primary: PairServer, standby: PairServer) -> None:
        self.primary = primary
        self.standby = standby

    def url(self, *, options: str = "") -> str:
        """Both servers in the form of a URL, the primary first."""
        places = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{ROLE}:{quote(PASSWORD, safe='')}@{places}/{DATABASE}" + (options and f"?{options}")

    def keywords(self, *, options: str = "") -> str:
        """Both servers in the form of keywords, the primary first."""
        ports = f"{self.primary.port},{self.standby.port}"
        return f"host=127.0.0.1,127.0.0.1 port={ports} dbname={DATABASE} user={ROLE} password='{PASSWORD}' {options}"

    def wait_until_streaming(self, state: str) -> None:
        """Return when the standby follows as `state`: async, or sync."""
        query = "select sync_state from pg_stat_replication where state = 'streaming'"
        eventually(lambda: self.primary.rows(query) == [(state,)])

    def change_places(self) -> None:
        """Make a standby of the server that was the primary, after the other one was promoted."""
        self.primary.stop()
        self.primary.copy_from(self.standby)
        self.primary.start()
        self.primary, self.standby = self.standby, self.primary


@contextlib.contextmanager
def stopped_data() -> Iterator[Path]:
    """The data of a stopped server with a migrated database, from which pairs are copied."""
    folder = Path(tempfile.mkdtemp(prefix="photochanger-pairs-"))
    try:
        folder.chmod(0o755)
        data = folder / "data"
        _initialize(data)
        server = PairServer(data)
        server.start(fsync="off")
        try:
            server.rows(f"create role {ROLE} login password '{PASSWORD}'", database="postgres")
            server.rows(f"create database {DATABASE} owner {ROLE}", database="postgres")
            migrate(server.url())
        finally:
            server.close()
        yield data
    finally:
        shutil.rmtree(folder)


def _server_on_copy(data: Path, place: Path) -> PairServer:
    shutil.copytree(data, place)
    _give_to_account(place)
    return PairServer(place)


@contextlib.contextmanager
def running_alone(data: Path, place: Path) -> Iterator[PairServer]:
    """A server without a standby on a copy of this data, ended at the end of the block."""
    server = _server_on_copy(data, place)
    try:
        server.start()
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def running_pair(data: Path, *, synchronous: bool) -> Iterator[PostgresPair]:
    """A primary and a standby that follows it, on copies of this data; ended at the end of the block.

    `synchronous`: a durable commit returns when the standby has it on its disk.
    """
    folder = Path(tempfile.mkdtemp(prefix="pair-", dir=data.parent))
    folder.chmod(0o755)
    pair = PostgresPair(*(_server_on_copy(data, folder / name) for name in ("first", _STANDBY)))
    try:
        pair.primary.start(**({"synchronous_standby_names": _STANDBY} if synchronous else {}))
        pair.standby.follow(pair.primary)
        pair.standby.start()
        pair.wait_until_streaming("sync" if synchronous else "async")
        yield pair
    finally:
        for server in (pair.standby, pair.primary):
            server.close()
        shutil.rmtree(folder)


def _initialize(data: Path) -> None:
    account = unprivileged_account()
    password = data.with_suffix(".password")
    password.write_text(PASSWORD)
    data.mkdir(mode=0o700)
    _give_to_account(data)
    directory = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        command = [str(find_programs(shared=account is not None) / "initdb"), "-D", str(data), "-U", _ADMINISTRATOR]
        options = ["-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, check=False, **as_account(account, directory)
        )
    finally:
        os.close(directory)
    assert done.returncode == 0, done.stderr
    (data / "pg_hba.conf").write_text(_RULES)


def _give_to_account(folder: Path) -> None:
    """Let the account of the servers own this folder and what is in it."""
    if (account := unprivileged_account()) is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
