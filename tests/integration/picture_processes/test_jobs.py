"""The end of a job is the end of its work: deadline, cancellation, the stop of a worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from photochanger import PhotoChanger, Settings, memory_adapters
from photochanger.adapters.imaging import ChildPool, ForkServer
from photochanger.adapters.imaging.children import Content
from photochanger.adapters.imaging.children.pixel_budget import PixelBudget
from photochanger.core.domain.job import FailureReason, JobState

from tests.support import child_work, photos
from tests.support.movable_clock import MovableClock
from tests.support.service import LONG_WINDOW, eventually

pytestmark = pytest.mark.anyio


class Stuck(ChildPool):
    """Children in which the work on every picture hangs, or ends the process."""

    def __init__(self, server: ForkServer, notes: Path, work: str, header: bytes) -> None:
        self.budget = PixelBudget(100)
        super().__init__(server, budget=self.budget)
        self._notes = os.open(notes, os.O_RDWR | os.O_CREAT)
        self._path = notes
        self._work = f"{child_work.HERE}:{work}"
        self._header = header

    async def run(self, work: str, header: bytes, contents: Sequence[bytes | int] = ()) -> Content:
        return await super().run(self._work, self._header, [self._notes])

    async def child(self) -> psutil.Process:
        """The child that hangs."""
        return psutil.Process(int(await asyncio.to_thread(eventually, self._path.read_text)))

    def attempts(self) -> int:
        return len(self._path.read_text())

    async def close(self) -> None:
        await super().close()
        os.close(self._notes)


@pytest.fixture
async def server() -> AsyncIterator[ForkServer]:
    server = ForkServer([child_work.HERE])
    yield server
    await asyncio.to_thread(server.close)


async def is_over(stuck: Stuck, child: psutil.Process) -> None:
    await asyncio.to_thread(eventually, lambda: not child.is_running() and stuck.budget.free == 100)


async def test_the_deadline_of_a_job_kills_its_work(server: ForkServer, tmp_path: Path) -> None:
    stuck = Stuck(server, tmp_path / "notes", "wait_for_ever", b"60")
    settings, clock = Settings(workers=1, sync_response=LONG_WINDOW), MovableClock()
    async with PhotoChanger.open(settings, adapters={**memory_adapters(clock), ChildPool: stuck}) as app:
        job = await app.jobs.submit("slot-001", photos.jpeg(64, 48))
        child = await stuck.child()
        clock.pass_by(LONG_WINDOW)
        assert (await app.jobs.wait(job.id)).state is JobState.TIMED_OUT
        await is_over(stuck, child)
    await stuck.close()


async def test_a_cancelled_job_kills_its_work(server: ForkServer, tmp_path: Path) -> None:
    stuck = Stuck(server, tmp_path / "notes", "wait_for_ever", b"60")
    async with PhotoChanger.open(
        Settings(workers=1, sync_response=timedelta(hours=1)), adapters={**memory_adapters(), ChildPool: stuck}
    ) as app:
        job = await app.jobs.submit("slot-001", photos.jpeg(64, 48))
        child = await stuck.child()
        await app.jobs.cancel(job.id)
        await is_over(stuck, child)
    await stuck.close()


async def test_a_block_that_is_cancelled_kills_the_work_of_its_jobs(server: ForkServer, tmp_path: Path) -> None:
    stuck = Stuck(server, tmp_path / "notes", "wait_for_ever", b"60")
    settings = Settings(workers=1, sync_response=timedelta(hours=1))

    async def block() -> None:
        async with PhotoChanger.open(settings, adapters={**memory_adapters(), ChildPool: stuck}) as app:
            await app.jobs.submit("slot-001", photos.jpeg(64, 48))
            await asyncio.Event().wait()

    running = asyncio.ensure_future(block())
    child = await stuck.child()
    running.cancel()  # a block that ends by itself gives its jobs a grace
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await is_over(stuck, child)
    await stuck.close()


async def test_a_photo_that_ends_its_children_is_finalized_and_not_tried_again(
    server: ForkServer, tmp_path: Path
) -> None:
    stuck = Stuck(server, tmp_path / "notes", "die", b"11")
    async with PhotoChanger.open(
        Settings(workers=2, sync_response=timedelta(hours=1)), adapters={**memory_adapters(), ChildPool: stuck}
    ) as app:
        job = await app.jobs.wait((await app.jobs.submit("slot-001", photos.jpeg(64, 48))).id)
        assert (job.state, job.failure_reason) == (JobState.FAILED, FailureReason.INVALID_PHOTO)
        assert job.error_code == "undecodable_image"
    assert stuck.attempts() == 2
    await stuck.close()
