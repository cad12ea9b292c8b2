"""Processes that start while the database is away wait for it; what waiting does not help against is said at once."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from alembic.config import Config
from photochanger.adapters.postgres import DatabaseUnavailable, EmbeddedServer, migrate
from photochanger.adapters.postgres.command_connection import REPLY_SECONDS, CommandConnection, connect_now
from photochanger.entrypoints.cli.doctor import run_checks
from photochanger.entrypoints.config import Settings
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from tests.support.builders import new_job
from tests.support.fault_relay import FaultRelay
from tests.support.plain_http import NO_TLS
from tests.support.postgres_backend import open_backend
from tests.support.postgres_server import fresh_database
from tests.support.service import HANG_SECONDS, command, environment, eventually

pytestmark = pytest.mark.anyio

SECRET = "a-secret-that-no-line-may-show"
KEY = "the secret key of all hosts of this database"


@pytest.fixture(scope="module")
def relay(postgres_server: EmbeddedServer) -> Iterator[FaultRelay]:
    with fresh_database(postgres_server) as url, FaultRelay(url).running() as relay:
        yield relay


@contextlib.contextmanager
def started(home: Path, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process of the service, and its log; stopped at the end."""
    home.mkdir(exist_ok=True)
    log = home / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command(*arguments),
            env=environment(home, port="0", metrics_port="0", secret_key=KEY, **settings),
            stdout=output,
            stderr=output,
            text=True,
        )
    try:
        yield process, log
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)


def test_a_database_that_does_not_reply_to_a_start_counts_as_away(
    relay: FaultRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(url: str) -> CommandConnection:
        connection = connect_now(url)
        relay.swallow()
        return connection

    monkeypatch.setattr(sys.modules[migrate.__module__], "connect_now", connect)
    monkeypatch.setattr(CommandConnection, "reply_within", 0.5)
    with pytest.raises(DatabaseUnavailable) as caught:
        migrate(relay.url())
    assert caught.value.reason == "no reply within 0.5 s"
    relay.restore()


def test_a_step_of_a_migration_may_take_longer_than_a_reply(
    postgres_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upgrade(config: Config, revision: str) -> None:
        config.attributes["connection"].execute(text(f"select pg_sleep({REPLY_SECONDS + 1})"))
        steps.append(revision)

    steps: list[str] = []
    monkeypatch.setattr("alembic.command.upgrade", upgrade)
    name = f"slow_{uuid4().hex}"
    postgres_server.ensure_database(name)
    migrate(postgres_server.url(name))
    assert len(steps) == 1


@pytest.mark.parametrize("name", ["serve", "worker"])
def test_a_process_waits_for_a_database_that_is_away(tmp_path: Path, relay: FaultRelay, name: str) -> None:
    relay.refuse()
    ready = "PhotoChanger listens on" if name == "serve" else "Metrics are at"
    with started(tmp_path, name, database_url=relay.url()) as (process, log):
        eventually(lambda: "waiting for the database: " in log.read_text())
        assert "Connection refused" in log.read_text()
        relay.restore()
        eventually(lambda: ready in log.read_text())
        process.terminate()
        assert process.wait(HANG_SECONDS) == 0


def test_a_process_that_waits_for_its_database_can_be_stopped(tmp_path: Path, relay: FaultRelay) -> None:
    relay.refuse()
    with started(tmp_path, "serve", database_url=relay.url()) as (process, log):
        eventually(lambda: "waiting for the database: " in log.read_text())
        process.terminate()
        assert process.wait(HANG_SECONDS) == 0
    relay.restore()


@pytest.mark.parametrize("statement", [b"INSERT INTO photochanger.admins", b"SET ingest_password="])
def test_generated_passwords_are_printed_although_the_reply_to_their_storing_was_lost(
    tmp_path: Path, postgres_server: EmbeddedServer, statement: bytes
) -> None:
    with fresh_database(postgres_server) as url, FaultRelay(url).running() as relay:
        relay.cut_replies(statement)
        environ = environment(tmp_path, port="0", metrics_port="0", database_url=relay.url())
        del environ["PHOTOCHANGER_INGEST_PASSWORD"]
        log = tmp_path / "log"
        with log.open("w") as output:
            process = subprocess.Popen(command("serve", "--workers", "0"), env=environ, stdout=output, stderr=output)
        try:
            eventually(lambda: "PhotoChanger listens on" in log.read_text())
            assert relay.replies_cut == 1
            said = re.findall("^(Ingest password|Administrator): (.*) \\(shown only once\\)$", log.read_text(), re.M)
            (_, ingest), (_, admin) = said
            name, _, password = admin.partition(", password: ")
            address = log.read_text().partition("listens on ")[2].split()[0]
            with httpx.Client(base_url=address, verify=NO_TLS, timeout=HANG_SECONDS) as client:
                assert client.post("/api/login", json={"username": name, "password": password}).status_code == 200
                form = {"data": {"password": ingest}, "files": {"fileToUpload": b"no picture"}}
                assert client.post("/ingest/slot-001", **form).status_code == 415, "not 401"
        finally:
            process.terminate()
            process.wait(HANG_SECONDS)


class Bad:
    """Databases and URLs that cannot work, each with what must be said."""

    def __init__(self, server: EmbeddedServer, connection: psycopg.Connection) -> None:
        self._server = server
        self._connection = connection
        self.host = conninfo_to_dict(server.url("postgres"))["host"]

    def create(self, options: str = "") -> str:
        name = f"bad_{uuid4().hex}"
        self._connection.execute(f"create database {name} {options}")
        return name

    def role(self) -> str:
        name = f"role_{uuid4().hex}"
        self._connection.execute(f"create role {name} login password '{SECRET}'")
        return name

    def cases(self) -> Iterator[tuple[str, str]]:
        yield self._server.url("no_such_name"), 'database "no_such_name" does not exist'
        yield f"postgresql://photochanger:{SECRET}@/postgres?host={self.host}", "password authentication failed"
        role = self.role()
        mine = self.create()
        yield f"postgresql://{role}:{SECRET}@/{mine}?host={self.host}", f"has no CREATE right on the database '{mine}'"
        ascii = self.create("encoding 'SQL_ASCII' locale 'C' template template0")
        yield self._server.url(ascii), "SQL_ASCII"
        locked = self.create()
        self._connection.execute(f"alter database {locked} set default_transaction_read_only = on")
        yield self._server.url(locked), "read-only"
        yield f"postgresql://photochanger:{SECRET}@127.0.0.1:1,127.0.0.1:2/none", "Connection refused"
        yield f"postgresql://photochanger:{SECRET}@127.0.0.1:none/none", "invalid"


def test_migrate_and_doctor_say_in_one_line_what_is_wrong(
    postgres_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PHOTOCHANGER_HOME", str(tmp_path))
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        for url, reason in Bad(postgres_server, connection).cases():
            with pytest.raises(DatabaseUnavailable) as refused:
                migrate(url)
            monkeypatch.setenv("PHOTOCHANGER_DATABASE_URL", url)
            found = [finding for finding in asyncio.run(run_checks()) if finding.part == "database"]
            for said in (refused.value.explanation, *(finding.says for finding in found)):
                assert reason in said
                assert "\n" not in said
                assert SECRET not in said
            assert len(found) == 1


@pytest.mark.parametrize("name", ["serve", "migrate"])
def test_a_wrong_password_is_an_error_at_once(tmp_path: Path, postgres_server: EmbeddedServer, name: str) -> None:
    host = conninfo_to_dict(postgres_server.url("postgres"))["host"]
    url = f"postgresql://photochanger:{SECRET}@/postgres?host={host}"
    done = subprocess.run(
        command(name), env=environment(tmp_path, database_url=url), capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "password authentication failed" in said
    assert len(said.splitlines()) == 1
    assert SECRET not in said


@pytest.mark.parametrize("form", ["url", "keywords"])
async def test_a_list_of_hosts_in_libpqs_forms_reaches_the_one_that_answers(relay: FaultRelay, form: str) -> None:
    parts = conninfo_to_dict(relay.url())
    several = (
        f"postgresql://photochanger@127.0.0.1:1,127.0.0.1:{relay.port}/{parts['dbname']}"
        f"?passfile={parts['passfile']}&target_session_attrs=read-write"
        if form == "url"
        else f"host=127.0.0.1,127.0.0.1 port=1,{relay.port} dbname={parts['dbname']} user=photochanger "
        f"passfile={parts['passfile']} target_session_attrs=read-write"
    )
    settings = Settings.from_env({"PHOTOCHANGER_DATABASE_URL": several})
    assert settings.database_url == several
    await asyncio.to_thread(migrate, several)
    async with open_backend(several) as backend:
        job = await backend.queue.enqueue(new_job(), max_active=10)
        assert await backend.jobs.get(job.id) == job
        await backend.database.ping()
