"""The PostgreSQL adapters through PgBouncer in transaction mode: what holds for a statement, and how jobs are found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from photochanger.adapters.postgres import (
    Database,
    EmbeddedServer,
    ListenMode,
    PostgresJobQueue,
    PostgresJobSignals,
    filling,
    migrate,
    snapshot,
)
from photochanger.adapters.postgres.connection import BoundedConnection
from photochanger.core.services.support.concurrency import Supervisor
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.container import make_container
from photochanger.entrypoints.diagnostics.database_connections import database_connections, finding
from sqlalchemy import text

from tests.support.builders import new_job
from tests.support.monitoring import ROOT
from tests.support.pgbouncer import PgBouncer, example, pgbouncer
from tests.support.postgres_server import fresh_database
from tests.support.service import HANG_SECONDS, rows

pytestmark = pytest.mark.anyio

LONG = timedelta(minutes=2)
IN_FORCE = """
select current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout'),
    current_setting('transaction_timeout'), current_setting('timezone'), (select count(*) from pg_prepared_statements)
"""
HOT, POOLED = ("5s", "5s", "10s", "UTC", 0), ("8s", "5s", "0", "UTC", 0)


async def test_settings_hold_in_every_form_of_a_transaction(pooler: PgBouncer, postgres_url: str) -> None:
    async with Database(pooler.url(postgres_url)) as database:
        async with await database.connect() as connection:
            assert connection.pooled
            for _ in range(10):  # a statement that is repeated is prepared where that is allowed
                assert await (await connection.execute(IN_FORCE)).fetchone() == HOT
            async with connection.transaction(), connection.transaction():
                assert await (await connection.execute(IN_FORCE)).fetchone() == HOT
            async with connection.pipeline(), connection.transaction():
                assert await (await connection.execute(IN_FORCE)).fetchone() == HOT
            async with connection.pipeline():
                first, second = await connection.execute(IN_FORCE), await connection.execute(IN_FORCE)
                assert (await first.fetchone(), await second.fetchone()) == (HOT, HOT)
            with pytest.raises(psycopg.errors.DivisionByZero):
                await connection.execute("select 1 / 0")
            assert await (await connection.execute(IN_FORCE)).fetchone() == HOT
        for _ in range(2):
            async with database.begin() as transaction:
                assert tuple((await transaction.execute(text(IN_FORCE))).one()) == POOLED
        assert database.pooled


async def test_a_direct_session_has_its_settings_and_prepares_statements(postgres_url: str) -> None:
    async with Database(postgres_url) as database, await database.connect() as connection:
        assert not connection.pooled
        for _ in range(10):
            last = await (await connection.execute(IN_FORCE)).fetchone()
        assert last == ("5s", "5s", "10s", "UTC", 1)


async def test_a_shared_connection_keeps_one_plan_for_all_values(postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        looking = database.batcher(_plans)
        for number in range(3):
            plans = await looking.call(number)
        assert plans == [("force_generic_plan", 3, 0)]


async def test_through_a_pooler_no_plan_is_kept(pooler: PgBouncer, postgres_url: str) -> None:
    async with Database(pooler.url(postgres_url)) as database:
        looking = database.batcher(_plans)
        for number in range(3):
            plans = await looking.call(number)
        assert plans == [("auto", None, None)]


_KEPT = "select count(*) from photochanger.jobs where attempt = %s"
_PLANS = """
select current_setting('plan_cache_mode'), generic_plans, custom_plans
from (select) as one left join pg_prepared_statements on statement = %s
"""


async def _plans(connection: BoundedConnection, batch: Sequence[int]) -> list[Any]:
    for number in batch:
        await connection.execute(_KEPT, (number,))
    plans = await connection.execute(_PLANS, (_KEPT.replace("%s", "$1"),))
    return [await plans.fetchall()] * len(batch)


async def test_a_batch_that_need_not_be_durable_leaves_no_setting(tmp_path: Path, postgres_url: str) -> None:
    asked = "select current_setting('synchronous_commit'), pg_backend_pid()"

    async def work(connection: psycopg.AsyncConnection, items: list[str]) -> list[object]:
        return [await (await connection.execute(asked)).fetchone() for _ in items]

    with pgbouncer(tmp_path / "pooler", postgres_url, pool_size=1) as pooler:
        async with Database(pooler.url(postgres_url)) as database, await database.connect() as connection:
            inside = await database.batcher(work, durable=False).call("item")
            after = await (await connection.execute(asked)).fetchone()
    assert (inside[0], after[0]) == ("off", "on")
    assert inside[1] == after[1]


async def test_processes_that_migrate_through_a_pooler_wait_for_each_other(
    pooler: PgBouncer, postgres_server: EmbeddedServer
) -> None:
    postgres_server.ensure_database("pooled_migrations")
    direct = postgres_server.url("pooled_migrations")
    failed: list[BaseException] = []

    def run() -> None:
        try:
            migrate(pooler.url(direct))
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert failed == []
    here = "database = (select oid from pg_database where datname = current_database())"
    assert rows(direct, f"select count(*) from pg_locks where locktype = 'advisory' and {here}") == [(0,)]


async def test_data_is_copied_through_a_pooler(
    pooler: PgBouncer, postgres_url: str, postgres_server: EmbeddedServer
) -> None:
    async with Database(pooler.url(postgres_url)) as database:
        job = await PostgresJobQueue(database).enqueue(new_job(), max_active=10)
    with fresh_database(postgres_server) as target, snapshot(pooler.url(postgres_url)) as source:
        with filling(pooler.url(target), source.revision) as imported:
            for table in source.tables:
                imported.fill(table, source.copy(table))
            imported.finish(source.rows)
        assert rows(target, "select id from photochanger.jobs") == [(job.id,)]


@asynccontextmanager
async def waking(url: str, listen_url: str | None = None) -> AsyncIterator[tuple[Database, PostgresJobSignals]]:
    async with Database(url, listen_url=listen_url) as database:
        signals = PostgresJobSignals(database)
        async with Supervisor().supervised(signals.listen(), name="LISTEN connection"):
            await signals.wait_until_listening()
            yield database, signals


async def test_a_listener_that_bypasses_the_pooler_listens(pooler: PgBouncer, postgres_url: str) -> None:
    async with waking(pooler.url(postgres_url), postgres_url) as (database, signals):
        assert signals.mode is ListenMode.LISTEN
        with signals.work() as work:
            await PostgresJobQueue(database).enqueue(new_job(), max_active=10)
            assert await work.wait(LONG)


@pytest.mark.parametrize("mode", [ListenMode.POOLER, ListenMode.LISTEN_POOLER, ListenMode.OTHER_DATABASE])
async def test_where_listen_cannot_work_changes_are_found_by_a_query(
    pooler: PgBouncer,
    postgres_url: str,
    postgres_server: EmbeddedServer,
    mode: ListenMode,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = pooler.url(postgres_url)
    listen_urls = {ListenMode.LISTEN_POOLER: url, ListenMode.OTHER_DATABASE: postgres_server.url("postgres")}
    with caplog.at_level(logging.WARNING, "photochanger.signals"):
        async with waking(url, listen_urls.get(mode)) as (database, signals):
            assert signals.mode is mode
            with signals.any_change() as change, signals.work() as work:
                await PostgresJobQueue(database).enqueue(new_job(), max_active=10)
                assert await change.wait(LONG)
                assert await work.wait(LONG)
            async with database.begin() as connection:
                assert (await connection.execute(text("select pg_listening_channels()"))).all() == []
    said = [record.getMessage() for record in caplog.records if record.name == "photochanger.signals"]
    assert [line.count("; polling.") for line in said] == [1]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ([None, None], "through a pooler: no, listener: direct"),
        (["pooler", None], "through a pooler: yes, listener: polling;"),
        (["pooler", "direct"], "through a pooler: yes, listener: direct"),
    ],
)
async def test_the_doctor_says_how_the_database_is_reached(
    pooler: PgBouncer,
    postgres_url: str,
    settings: list[str | None],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("photochanger.entrypoints.diagnostics.database_connections._LISTEN_SECONDS", HANG_SECONDS)
    main, listener = settings
    container = make_container(
        Settings(
            database_url=pooler.url(postgres_url) if main else postgres_url,
            listen_database_url=postgres_url if listener else None,
        )
    )
    try:
        (found,) = await database_connections(container)
    finally:
        await container.close()
    assert found.says.startswith(says)
    assert found.fix is None


@pytest.mark.parametrize("mode", [ListenMode.LISTEN_POOLER, ListenMode.OTHER_DATABASE, None])
def test_a_listen_address_that_is_of_no_use_has_to_be_fixed(mode: ListenMode | None) -> None:
    found = finding(pooled=True, mode=mode)
    assert "polling" in found.says
    assert found.fix is not None
    assert "PHOTOCHANGER_LISTEN_DATABASE_URL" in found.fix


def test_both_guides_show_the_settings_that_the_tests_use() -> None:
    guides = ROOT / "docs/how-to/running"
    assert example(guides / "postgresql.ru.md") == example(guides / "postgresql.md")
    assert "pool_mode = transaction" in example()
