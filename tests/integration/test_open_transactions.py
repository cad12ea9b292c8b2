"""A host that goes away in the middle of a transaction with a lock: the server ends it after IDLE_TRANSACTION_SECONDS.

It does so only for a transaction that it calls idle. Between the statements of a pipeline the limit for the whole
transaction ends it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from photochanger.adapters.postgres import Database, provider_limits
from photochanger.adapters.postgres.connection import Limits
from photochanger.adapters.postgres.costs import ledger
from photochanger.adapters.postgres.jobs import queue, queue_sql

from tests.contract.test_cost_ledger import budget, ledger_call
from tests.support.queue_steps import LEASE

pytestmark = pytest.mark.anyio

LIMITS = {"worker": "one", "n": 1, "lease": LEASE, "limits": '{"local": 1}', "running": []}

BATCHES: dict[str, tuple[Callable[..., Awaitable[Any]], list[Any]]] = {
    "acquire jobs": (queue._run_under_lock, [queue._Statement(queue_sql.ACQUIRE_WITHIN_LIMITS, LIMITS)]),
    "enter calls": (ledger._enter_batch, [ledger._Entry(ledger_call(), ())]),
    "enter calls within budgets": (ledger._enter_batch, [ledger._Entry(ledger_call(), (budget(1_000_000, None),))]),
    "acquire permits": (provider_limits._run_batch, []),
}


@pytest.mark.parametrize("name", BATCHES)
async def test_a_batch_that_has_its_results_leaves_the_server_a_limit(postgres_url: str, name: str) -> None:
    work, items = BATCHES[name]
    seen: list[Any] = []

    async def watched(connection: psycopg.AsyncConnection[Any], batch: Any) -> Any:
        answers = await work(connection, batch)
        with psycopg.connect(postgres_url, autocommit=True) as other:
            state = "select state, query from pg_stat_activity where pid = %s"
            seen.append(other.execute(state, [connection.info.backend_pid]).fetchone())
        return answers or [None]

    async with Database(postgres_url) as database:
        batcher = database.batcher(lambda connection, batch: watched(connection, items), durable=False)
        await batcher.call(None)
    assert [row[0] for row in seen] == ["idle in transaction"], seen


HOLDERS = "select pid from pg_locks where locktype = 'advisory' and objid = %s and granted"
LOCK = 4711


async def test_a_pipeline_that_stops_keeps_no_lock(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photochanger.adapters.postgres.database.HOT", Limits(statement=5, transaction=2))
    async with Database(postgres_url) as database:
        connection = await database.connect()
        held = connection.pgconn
        held.enter_pipeline_mode()
        held.send_query_params(b"begin", None)
        held.send_query_params(f"select pg_advisory_xact_lock({LOCK})".encode(), None)
        held.send_flush_request()
        while held.flush():
            pass
        for _ in ("begin", "its end", "the lock"):
            held.get_result()
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("set lock_timeout = '180s'")
            other.execute("select pg_advisory_lock(%s)", [LOCK])
            assert other.execute(HOLDERS, [LOCK]).fetchall() == [(other.info.backend_pid,)]
        held.finish()
