"""A PostgreSQL server for the whole test run, and a fresh migrated database for each test that asks for one."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from photochanger.adapters.postgres import EmbeddedServer, migrate

TEMPLATE = "template_migrated"

_NOT_CRASH_SAFE = ("fsync = off", "full_page_writes = off", "wal_compression = off")
"""A database is made and dropped for each test, in a third of the processor time. Tests of crashes have own servers."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedServer]:
    """One server per worker of the run, with a migrated database to clone from."""
    folder = Path(tempfile.mkdtemp(prefix="photochanger-tests-"))
    server = EmbeddedServer.start(folder / "postgres")
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            for setting in _NOT_CRASH_SAFE:
                connection.execute(f"alter system set {setting}")
            connection.execute("select pg_reload_conf()")
        server.ensure_database(TEMPLATE)
        migrate(server.url(TEMPLATE))
        yield server
    finally:
        server.close()
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: EmbeddedServer) -> Iterator[str]:
    """A fresh migrated database, dropped after the test."""
    with fresh_database(postgres_server) as url:
        yield url


@contextlib.contextmanager
def fresh_database(server: EmbeddedServer) -> Iterator[str]:
    """A migrated database on the server of the run, dropped at the end."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {TEMPLATE}")
        yield server.url(name)
        connection.execute(f"drop database {name} with (force)")
