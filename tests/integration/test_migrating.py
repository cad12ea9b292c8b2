"""Migrating while hosts use the tables, and what older code does with a newer schema."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from photochanger.adapters.postgres import Database, SchemaBusy, migrate, require_current_schema
from photochanger.adapters.postgres.migrate import HEAD, REVISIONS, SchemaOutdated
from photochanger.adapters.postgres.migrations.compatibility import unusable
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tests.support.next_version import INDEXED, NEXT, make_next_version
from tests.support.service import eventually, rows

pytestmark = pytest.mark.anyio

MODULE = sys.modules[migrate.__module__]


@pytest.fixture(scope="module")
def next_migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of the next version."""
    return make_next_version(tmp_path_factory.mktemp("next")) / "photochanger/adapters/postgres/migrations"


@pytest.fixture
def next_code(monkeypatch: pytest.MonkeyPatch, next_migrations: Path) -> None:
    """`migrate` is that of the next version."""
    monkeypatch.setattr(MODULE, "_MIGRATIONS", next_migrations)
    monkeypatch.setattr(MODULE, "REVISIONS", (*REVISIONS, NEXT, INDEXED))


def upgraded(url: str, migrations: Path) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.connect() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(migrations))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, INDEXED)
        connection.commit()


async def usable(url: str) -> None:
    async with Database(url) as database:
        await require_current_schema(database)


async def test_code_goes_on_with_a_schema_that_was_only_expanded(postgres_url: str, next_migrations: Path) -> None:
    ((oldest,),) = rows(postgres_url, "select oldest_code from photochanger.alembic_version")
    upgraded(postgres_url, next_migrations)
    await usable(postgres_url)
    await asyncio.to_thread(migrate, postgres_url)
    recorded = rows(postgres_url, "select version_num, oldest_code from photochanger.alembic_version")
    assert recorded == [(INDEXED, oldest)], "nothing was taken back"


async def test_code_refuses_a_schema_that_needs_newer_code(postgres_url: str, tmp_path: Path) -> None:
    contracts = make_next_version(tmp_path, attributes=f'oldest_code = "{NEXT}"')
    upgraded(postgres_url, contracts / "photochanger/adapters/postgres/migrations")
    sentence = (
        f"The database has the newer schema {INDEXED}; code older than that of {NEXT} cannot use it, and this version "
        f"has {HEAD}. Install the version of the other hosts."
    )
    with pytest.raises(SchemaOutdated) as refused:
        await asyncio.to_thread(migrate, postgres_url)
    assert refused.value.detail == sentence
    with pytest.raises(SchemaOutdated) as refused:
        await usable(postgres_url)
    assert refused.value.detail == sentence


def test_which_schemas_code_can_use() -> None:
    code = ("0001", "0002", "0003")
    assert unusable({"version_num": "0003"}, code) is None
    assert unusable({"version_num": "0003", "oldest_code": "0001"}, code) is None
    assert unusable({"version_num": "0009", "oldest_code": "0003"}, code) is None
    assert "needs 0003" in (unusable({"version_num": "0002", "oldest_code": "0001"}, code) or "")
    assert "missing" in (unusable(None, code) or "")
    assert "older than that of 0004" in (unusable({"version_num": "0009", "oldest_code": "0004"}, code) or "")
    assert "only code that has it" in (unusable({"version_num": "0009"}, code) or "")
    assert "only code that has it" in (unusable({"version_num": "0009", "oldest_code": None}, code) or "")


@pytest.fixture
def reader(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A transaction that has read `jobs`, and goes on."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute("select from photochanger.jobs")
        yield connection


@pytest.mark.usefixtures("next_code")
def test_no_request_waits_behind_a_migration_that_waits_for_a_lock(
    postgres_url: str, reader: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "_MAX_TRIES", 10_000)  # on the slowest machine
    waiting = (
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        " and query like 'alter table photochanger.jobs%%'"
    )
    with ThreadPoolExecutor() as threads:
        migrating = [threads.submit(migrate, postgres_url, to=INDEXED) for _ in range(2)]
        for _ in range(2):  # it tries again
            eventually(lambda: rows(postgres_url, waiting))
            rows(postgres_url, "select from photochanger.jobs")  # a request, which waits for half a second at most
        reader.rollback()
        for one in migrating:
            one.result()
    assert rows(postgres_url, "select version_num from photochanger.alembic_version") == [(INDEXED,)]
    assert rows(
        postgres_url, "select indisvalid from pg_index where indexrelid = 'photochanger.jobs_mood'::regclass"
    ) == [(True,)]


@pytest.mark.usefixtures("next_code", "reader")
def test_a_lock_that_is_held_for_long_is_reported(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_LOCK_TIMEOUT": "10ms", "_MAX_TRIES": 2, "_PAUSE_SECONDS": 0.01}.items():
        monkeypatch.setattr(MODULE, name, value)
    with pytest.raises(SchemaBusy, match="right now") as refused:
        migrate(postgres_url, to=INDEXED)
    assert refused.value.reason == "a table is locked for long"
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(5093200001)")
        with pytest.raises(SchemaBusy) as refused:
            migrate(postgres_url, to=INDEXED)
    assert refused.value.reason == "another process updates the schema"
    assert rows(postgres_url, "select version_num from photochanger.alembic_version") == [(HEAD,)]
