"""The WorkerRegistry contract: who works is known by its last report, until it leaves or is forgotten."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from photochanger.core.domain.worker import SILENT_AFTER, WorkerReport

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


def report(name: str = "booth-1-abc", **fields: Any) -> WorkerReport:
    usual: dict[str, Any] = {"host": "booth", "pid": 4711, "concurrency": 4, "running": 1, "version": "1.2.3"}
    usual["clock_ahead_seconds"] = -30.25
    return WorkerReport(name=name, **usual | fields)


async def test_at_first_no_worker_is_known(backend: SimpleNamespace) -> None:
    assert await backend.workers.all() == []
    assert await backend.workers.prune(silent_for=timedelta(0)) == 0


async def test_a_heartbeat_is_stored_as_it_was_sent(backend: SimpleNamespace) -> None:
    await backend.workers.heartbeat(report())
    (seen,) = await backend.workers.all()
    assert seen.report == report()
    assert seen.started_at == seen.seen_at
    assert timedelta(0) <= seen.age < SILENT_AFTER
    assert not seen.silent


async def test_the_newest_report_holds_and_the_start_stays(backend: SimpleNamespace) -> None:
    await backend.workers.heartbeat(report())
    (first,) = await backend.workers.all()
    await backend.workers.heartbeat(report(running=3))
    (second,) = await backend.workers.all()
    assert second.report == report(running=3)
    assert second.started_at == first.started_at
    assert second.seen_at > first.seen_at


async def test_workers_are_listed_by_host_and_name(backend: SimpleNamespace) -> None:
    for name, host in (("c", "beta"), ("B", "beta"), ("a", "beta"), ("z", "alpha")):
        await backend.workers.heartbeat(report(name, host=host))
    assert [seen.report.name for seen in await backend.workers.all()] == ["z", "B", "a", "c"]


async def test_one_that_leaves_is_forgotten_and_the_others_stay(backend: SimpleNamespace) -> None:
    await backend.workers.heartbeat(report("one"))
    await backend.workers.heartbeat(report("two"))
    await backend.workers.deregister("one")
    await backend.workers.deregister("unknown")
    assert [seen.report.name for seen in await backend.workers.all()] == ["two"]


async def test_only_silent_ones_are_pruned(backend: SimpleNamespace) -> None:
    await backend.workers.heartbeat(report("one"))
    assert await backend.workers.prune(silent_for=HOUR) == 0
    assert len(await backend.workers.all()) == 1
    assert await backend.workers.prune(silent_for=timedelta(0)) == 1
    assert await backend.workers.all() == []


async def test_many_tell_at_once(backend: SimpleNamespace) -> None:
    await asyncio.gather(*(backend.workers.heartbeat(report(f"w{n}")) for n in range(20)))
    await asyncio.gather(*(backend.workers.heartbeat(report("w0", running=0)) for _ in range(20)))
    assert len(await backend.workers.all()) == 20


async def test_silence_begins_after_three_reports_that_did_not_come(backend: SimpleNamespace) -> None:
    await backend.workers.heartbeat(report())
    (seen,) = await backend.workers.all()
    assert msgspec.structs.replace(seen, age=SILENT_AFTER).silent
    assert not msgspec.structs.replace(seen, age=SILENT_AFTER - timedelta(microseconds=1)).silent
