"""Connections that go silent: an idle one is noticed by a short question, and one in a transaction keeps no lock."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from photochanger.adapters.postgres import Database
from photochanger.adapters.postgres.connection import PROBE_SECONDS, USUAL, BoundedConnection
from photochanger.core.domain.errors import QueueUnavailable
from psycopg.abc import PQGen
from sqlalchemy import text

pytestmark = pytest.mark.anyio


async def test_an_idle_connection_is_asked_with_a_short_limit_and_its_statements_have_their_own(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float | None] = []
    wait = BoundedConnection.wait

    async def noting(self: BoundedConnection, gen: PQGen[Any], *args: Any, **options: Any) -> Any:
        limits.append(self.reply_within)
        return await wait(self, gen, *args, **options)

    async with Database(postgres_url) as database:
        await database.ping()
        monkeypatch.setattr(BoundedConnection, "wait", noting)
        await database.ping()
    asked = limits.index(next(limit for limit in limits if limit != PROBE_SECONDS))
    assert asked > 0, "the question comes first"
    assert set(limits[asked:]) == {USUAL.statement + 1.0}


async def test_a_host_that_is_gone_in_a_transaction_holds_its_locks_for_seconds(postgres_url: str) -> None:
    lock = "select pg_advisory_xact_lock(4711)"

    async def is_silent_with_the_lock() -> None:
        async with database.begin() as connection:
            await connection.execute(text(lock))
            async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
                await other.execute(lock)  # as soon as the server has ended the transaction that does nothing
            await connection.execute(text("select 1"))

    async with Database(postgres_url) as database:
        with pytest.raises(QueueUnavailable):
            await is_silent_with_the_lock()
        await database.ping()
