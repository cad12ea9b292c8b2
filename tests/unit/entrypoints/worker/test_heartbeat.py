"""Worker heartbeats, and what `/readyz` concludes from them."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.errors import QueueUnavailable, WorkerMissing
from photochanger.core.domain.worker import FORGOTTEN_AFTER, SILENT_AFTER, WorkerReport
from photochanger.entrypoints.diagnostics.readiness import require_any_worker, require_worker
from photochanger.entrypoints.worker.heartbeat import Heartbeat

from tests.support.world import SECOND, FaultInjector, World

pytestmark = pytest.mark.anyio

BLINK = timedelta(milliseconds=1)
HERE = {"host": socket.gethostname(), "pid": os.getpid()}


class Pool:
    """Two of four jobs."""

    name = "a-worker"
    concurrency = 4
    running = 2


async def start_heartbeat(registry: Any) -> asyncio.Task[None]:
    return asyncio.create_task(Heartbeat(registry, every=BLINK).run(Pool()))


async def until(world: World, look: Any) -> Any:
    """What `look` returns once that is true."""
    async with asyncio.timeout(60):
        while not (seen := await look()):
            await world.clock.advance(timedelta(0))
    return seen


def report(**fields: Any) -> WorkerReport:
    usual: dict[str, Any] = {
        "name": "w",
        "host": "booth",
        "pid": 7,
        "concurrency": 1,
        "running": 0,
        "version": "1",
    }
    return WorkerReport(**usual | fields)


async def test_a_heartbeat_reports_the_worker_until_it_deregisters() -> None:
    world = World()
    task = await start_heartbeat(world.workers)
    (seen,) = await until(world, world.workers.all)
    assert seen.report.name == "a-worker"
    assert {"host": seen.report.host, "pid": seen.report.pid} == HERE
    assert (seen.report.running, seen.report.concurrency) == (2, 4)
    assert seen.report.version
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await world.workers.all() == []


async def test_the_heartbeat_goes_on_after_an_outage_of_the_database() -> None:
    world = World()
    registry: Any = FaultInjector(world.workers)
    registry.faults["heartbeat"] = QueueUnavailable("away")
    task = await start_heartbeat(registry)
    async with asyncio.timeout(60):
        while registry.calls.count("heartbeat") < 3:
            await world.clock.advance(timedelta(0))
    assert await world.workers.all() == []
    del registry.faults["heartbeat"]
    assert await until(world, world.workers.all)
    registry.faults["deregister"] = QueueUnavailable("away again")
    task.cancel()
    (ended,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError)


async def test_our_worker_is_missing_before_its_first_heartbeat_and_when_it_is_silent() -> None:
    world = World()
    await world.workers.heartbeat(report(pid=8))
    with pytest.raises(WorkerMissing, match="missed its heartbeats"):
        await require_worker(world.workers, host="booth", pid=7)
    await world.workers.heartbeat(report(name="ours"))
    await require_worker(world.workers, host="booth", pid=7)
    with pytest.raises(WorkerMissing):
        await require_worker(world.workers, host="another", pid=7)
    await world.clock.advance(SILENT_AFTER)
    with pytest.raises(WorkerMissing):
        await require_worker(world.workers, host="booth", pid=7)


async def test_without_own_workers_any_live_worker_will_do() -> None:
    world = World()
    with pytest.raises(WorkerMissing, match="No worker heartbeat"):
        await require_any_worker(world.workers)
    await world.workers.heartbeat(report(host="far away"))
    await require_any_worker(world.workers)
    await world.clock.advance(SILENT_AFTER)
    with pytest.raises(WorkerMissing, match="1 workers have missed"):
        await require_any_worker(world.workers)


async def test_the_sweeper_forgets_workers_that_are_gone() -> None:
    world = World()
    await world.workers.heartbeat(report())
    await world.clock.advance(FORGOTTEN_AFTER - SECOND)
    await world.sweeper.sweep_expired()
    assert len(await world.workers.all()) == 1
    await world.clock.advance(SECOND)
    assert (await world.sweeper.sweep_expired())["workers"] == 1
    assert await world.workers.all() == []
