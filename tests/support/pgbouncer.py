"""PgBouncer in transaction mode before a PostgreSQL server of a test."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer
from photochanger.adapters.postgres.embedded.programs import unprivileged_account
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from tests.support.monitoring import ROOT, program
from tests.support.ports import bound_to
from tests.support.service import HANG_SECONDS, eventually

POOL_SIZE = 10
"""Fewer server connections than two processes of PhotoChanger have connections to the pooler."""

_GUIDE = ROOT / "docs/how-to/running/postgresql.md"


class PgBouncer:
    """A running PgBouncer with the settings of the guide, but for addresses, the size of the pool, and who may connect:
    any client is the user of the server's URL, and may use `console`.

    Attributes:
        port: its port on loopback, kept when it is started again.
    """

    def __init__(self, folder: Path, server_url: str, *, pool_size: int = POOL_SIZE) -> None:
        """`folder` takes its settings and its log. Only host, port, user and password of the URL are used."""
        self._place = bound_to(0)
        self.port = self._place.getsockname()[1]
        self._log = folder / "pgbouncer.log"
        self._settings = folder / "pgbouncer.ini"
        folder.mkdir(parents=True, exist_ok=True)
        self._settings.touch(mode=0o600)
        self._settings.write_text(_settings(_server(conninfo_to_dict(server_url)), port=self.port, pool_size=pool_size))
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, server_url: str) -> str:
        """The URL through the pooler of the database that this URL names."""
        return f"postgresql://pooled@127.0.0.1:{self.port}/{conninfo_to_dict(server_url)['dbname']}"

    def start(self) -> None:
        """Start it, and return once it accepts connections."""
        account = unprivileged_account()  # it refuses to run as root
        user = ["-u", account.pw_name] if account else []
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                [program("pgbouncer"), *user, str(self._settings)], stdout=output, stderr=output, start_new_session=True
            )
        self._process = process
        eventually(lambda: process.poll() is not None or self._accepts())
        assert process.poll() is None, self._log.read_text()[-2000:]

    def stop(self) -> None:
        """End it at once, with all of its connections."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(HANG_SECONDS)
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._place.close()

    def console(self, command: str) -> list[dict[str, Any]]:
        """The rows of a command of its console, such as `show servers`."""
        url = f"postgresql://pooled@127.0.0.1:{self.port}/pgbouncer"
        with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
            return connection.cursor(row_factory=dict_row).execute(command.encode()).fetchall()

    def _accepts(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            return bool(self.console("show version"))
        return False


def example(guide: Path = _GUIDE) -> str:
    """The settings that the guide shows."""
    return guide.read_text().partition("```ini\n")[2].partition("```")[0]


def _settings(server: str, *, port: int, pool_size: int) -> str:
    lines = []
    for line in example().splitlines():
        match line.partition(" = ")[0]:
            case "photochanger":
                line = f"* = {server}"
            case "listen_port":
                line = f"listen_port = {port}"
            case "auth_type":
                line = "auth_type = any"
            case "auth_file":
                line = "unix_socket_dir ="
            case "default_pool_size":
                line = f"default_pool_size = {pool_size}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _server(parts: dict[str, Any]) -> str:
    password = parts.get("password")
    if password is None and "passfile" in parts:
        password = Path(parts["passfile"]).read_text().split("\n", 1)[0].rpartition(":")[2]
    named = {"host": parts["host"], "port": parts.get("port", 5432), "user": parts["user"], "password": password}
    quoted = {name: str(value).replace("'", "''") for name, value in named.items() if value is not None}
    return " ".join(f"{name}='{value}'" for name, value in quoted.items())


@contextlib.contextmanager
def pgbouncer(folder: Path, server_url: str, *, pool_size: int = POOL_SIZE) -> Iterator[PgBouncer]:
    """A PgBouncer on a free port before this server, ended with the block."""
    pooler = PgBouncer(folder, server_url, pool_size=pool_size)
    try:
        pooler.start()
        yield pooler
    finally:
        pooler.close()


@pytest.fixture(scope="session")
def pooler(postgres_server: EmbeddedServer) -> Iterator[PgBouncer]:
    """A PgBouncer before the server of the run, for tests that do not stop it."""
    folder = Path(tempfile.mkdtemp(prefix="photochanger-pooler-"))
    with pgbouncer(folder, postgres_server.url()) as running:
        yield running
    shutil.rmtree(folder)
