"""The worker process of a service: replaced when it ends or is silent, killed when it does not stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from photochanger import Settings
from photochanger.adapters.memory.clock import FakeClock
from photochanger.adapters.telemetry import OpenTelemetry, total
from photochanger.core.domain.errors import WorkerMissing
from photochanger.core.domain.worker import WorkerReport
from photochanger.entrypoints.process.stop_limits import WORKER_KILL_AFTER
from photochanger.entrypoints.silence import TICK
from photochanger.entrypoints.worker import supervisor
from photochanger.entrypoints.worker.supervisor import WorkerProcess

from tests.support.service import has_ended
from tests.support.world import World

pytestmark = pytest.mark.anyio

LIMIT = timedelta(seconds=10)
TICKS_TO_KILL = 16
"""Until the limit and its margin are over."""

SAY, HANG = "print(flush=True)", "import time; time.sleep(10**6)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, lambda *_: None); " + SAY + "; " + HANG


async def until(look: Callable[[], bool]) -> None:
    """Return once `look` says so: what it looks at is another process, which signals no change."""
    async with asyncio.timeout(120):
        while not look():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def gone(pid: int) -> None:
    """Return once the process has ended and its parent knows."""
    await until(lambda: not psutil.pid_exists(pid))


class Supervised:
    """A worker process of a service whose clock the test moves."""

    def __init__(self, home: Path, program: str, limit: timedelta = LIMIT) -> None:
        self.clock = FakeClock()
        self.telemetry = OpenTelemetry()
        self.process = WorkerProcess(
            Settings(home=home, hang_limit=limit),
            "postgresql://nowhere/",
            telemetry=self.telemetry,
            clock=self.clock,
            command=(sys.executable, "-c", program),
        )
        self.pids: list[int] = []

    async def next_one(self) -> int:
        """The process id of the next one, once it runs."""
        async with asyncio.timeout(120):
            while True:
                child = self.process._process
                if child is not None and child.pid not in self.pids:
                    self.pids.append(child.pid)
                    return child.pid
                await self.let_pass(timedelta(milliseconds=100))

    async def heard(self) -> None:
        """Return once a line of the process has arrived, by which the short limit applies."""
        await until(lambda: self.process.heard)

    async def let_pass(self, duration: timedelta) -> None:
        await self.clock.advance(duration)
        await asyncio.sleep(0.01)  # the world outside of the clock has its turn

    def replaced(self) -> dict[str, float]:
        return total(self.telemetry.families(), "photochanger_workers_replaced", "cause")


@contextlib.asynccontextmanager
async def supervised(home: Path, program: str, limit: timedelta = LIMIT) -> AsyncIterator[Supervised]:
    watched = Supervised(home, program, limit)
    running = asyncio.create_task(watched.process.run())
    try:
        yield watched
        watched.process.stop(timedelta(0))
        watched.process.kill()
        async with asyncio.timeout(120):
            while not running.done():
                await watched.let_pass(TICK)
        await running
    finally:
        watched.process.kill()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_silent_worker_is_killed_and_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with supervised(tmp_path, f"{SAY}; {HANG}") as watched:
        first = await watched.next_one()
        await watched.heard()
        os.kill(first, signal.SIGSTOP)
        for _ in range(TICKS_TO_KILL):
            await watched.let_pass(TICK)
        await gone(first)
        assert await watched.next_one() != first
        assert watched.replaced() == {"silent": 1.0}
    assert "was silent for 15 s; killing it" in caplog.text
    assert "worker process was killed: it was silent for 15 s; restarting it" in caplog.text


async def test_a_worker_that_starts_slowly_or_stood_still_with_the_service_is_left_alone(tmp_path: Path) -> None:
    async with supervised(tmp_path, HANG) as watched:
        first = await watched.next_one()
        for _ in range(TICKS_TO_KILL * 4):
            await watched.let_pass(TICK)  # nothing heard yet: it has two minutes to start
        assert psutil.pid_exists(first)
    async with supervised(tmp_path, f"{SAY}; {HANG}") as watched:
        first = await watched.next_one()
        await watched.heard()
        for _ in range(TICKS_TO_KILL - 2):
            await watched.let_pass(TICK)
        watched.clock._elapsed += timedelta(hours=1)  # nothing ran meanwhile, this process neither
        for _ in range(TICKS_TO_KILL - 2):
            await watched.let_pass(TICK)
        assert psutil.pid_exists(first)
        assert watched.replaced() == {}


async def test_a_worker_that_never_starts_is_killed_in_the_end(tmp_path: Path) -> None:
    async with supervised(tmp_path, HANG) as watched:
        first = await watched.next_one()
        for _ in range(TICKS_TO_KILL * 8):
            await watched.let_pass(TICK)
        await gone(first)
        await until(lambda: watched.replaced() == {"silent": 1.0})


async def test_a_worker_that_does_not_stop_is_killed_with_its_children(tmp_path: Path) -> None:
    child = f"import subprocess, sys; subprocess.Popen((sys.executable, '-c', {HANG!r}))"
    program = f"{child}; {STUBBORN}"
    async with supervised(tmp_path, program, limit=timedelta(hours=1)) as watched:
        pid = await watched.next_one()
        await watched.heard()
        (grandchild,) = psutil.Process(pid).children()
        watched.process.stop(10 * TICK)
        for _ in range(WORKER_KILL_AFTER // TICK + 10 - 1):
            await watched.let_pass(TICK)
        assert psutil.pid_exists(pid)
        for _ in range(3):
            await watched.let_pass(TICK)
        await gone(pid)
        await until(lambda: has_ended(grandchild))
        assert watched.replaced() == {}


async def test_a_child_that_keeps_the_output_of_a_dead_worker_open_does_not_delay_its_replacement(
    tmp_path: Path,
) -> None:
    program = f"import os, sys; {SAY}; pid = os.fork()\nif not pid: {HANG}\nos._exit(3)"
    async with supervised(tmp_path, program) as watched:
        first = await watched.next_one()
        await gone(first)
        assert await watched.next_one() != first


async def test_readiness_says_how_the_last_worker_ended(tmp_path: Path) -> None:
    world = World()
    async with supervised(tmp_path, f"{SAY}; import sys; sys.stdin.read(1); sys.exit(7)") as watched:
        first = await watched.next_one()
        await watched.heard()
        os.kill(first, signal.SIGKILL)
        await gone(first)
        second = await watched.next_one()
        with pytest.raises(WorkerMissing, match=r"missed its heartbeats\. The one before ended with code -9\."):
            await watched.process.check(world.workers)
        report = WorkerReport(name="w", host=os.uname().nodename, pid=second, concurrency=1, running=0, version="1")
        await world.workers.heartbeat(report)
        await watched.process.check(world.workers)
        assert watched.replaced() == {"ended": 1.0}


async def test_a_worker_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Supervised(tmp_path, SAY)
    monkeypatch.setattr(supervisor, "_RESTART_PAUSE", timedelta(0))
    tries = 0

    async def no_process_left(*_: object, **__: object) -> asyncio.subprocess.Process:
        nonlocal tries
        tries += 1
        if tries == 3:
            watched.process.stop(timedelta(0))
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_process_left)
    await watched.process.run()
    assert tries == 3
    assert caplog.text.count("starting the worker process failed: Resource temporarily unavailable") == 3
