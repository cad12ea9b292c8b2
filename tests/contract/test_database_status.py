"""The DatabaseStatus contract: a database that works responds, has the current schema, and tells the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from photochanger.adapters.memory import memory_adapters
from photochanger.adapters.postgres import Database, PostgresDatabaseStatus
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.ports.database import DatabaseStatus

pytestmark = pytest.mark.anyio


async def check(status: DatabaseStatus) -> None:
    before = datetime.now(UTC)
    await status.ping()
    await status.require_fit()
    await status.require_current_schema()
    assert [*await status.servers()] == []
    assert abs(await status.now() - before) < timedelta(hours=1)  # aware, and in the right zone


async def test_memory_works() -> None:
    await check(memory_adapters()[DatabaseStatus])  # type: ignore[arg-type]


async def test_postgres_works(postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        await check(PostgresDatabaseStatus(database))


async def test_unreachable_postgres_is_unavailable() -> None:
    async with Database("postgresql://nobody@127.0.0.1:1/none") as database:
        status = PostgresDatabaseStatus(database)
        for ask in (status.ping, status.require_fit, status.require_current_schema, status.now):
            with pytest.raises(QueueUnavailable):
                await ask()
