"""A connection that has gone silent while nobody used it is noticed by a short question, not by a statement's limit."""

from __future__ import annotations

from typing import Any

import pytest
from photochanger.adapters.postgres import Database
from photochanger.adapters.postgres.connection import PROBE_SECONDS, STATEMENT_TIMEOUT_SECONDS, BoundedConnection
from psycopg.abc import PQGen

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
    assert set(limits[asked:]) == {STATEMENT_TIMEOUT_SECONDS + 1.0}
