"""SharedReading: concurrent callers share a reading, none gets one that began before its question."""

from __future__ import annotations

import asyncio

import pytest
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.services.support.shared_reading import SharedReading

pytestmark = pytest.mark.anyio


class Source:
    """A value that is read slowly: a reading waits for `go`, and notes the value as it was at its beginning."""

    def __init__(self) -> None:
        self.value = 0
        self.readings = 0
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def read(self) -> int:
        self.readings += 1
        self.began.set()
        value = self.value
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return value


async def test_callers_share_the_reading_that_begins_after_them() -> None:
    source = Source()
    reading = SharedReading(source.read)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(reading.get())
        await source.began.wait()
        source.value = 1
        later = [group.create_task(reading.get()) for _ in range(5)]
        await asyncio.sleep(0)
        source.go.set()
    assert first.result() == 0
    assert [one.result() for one in later] == [1] * 5
    assert source.readings == 2
    source.value = 2
    assert await reading.get() == 2


async def test_callers_share_a_failure_and_the_next_one_reads_again() -> None:
    source = Source()
    source.error = QueueUnavailable("The database is away.")
    reading = SharedReading(source.read)
    asking = [asyncio.ensure_future(reading.get()) for _ in range(4)]
    await source.began.wait()
    await asyncio.sleep(0)
    source.go.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(one, QueueUnavailable) for one in found)
    assert source.readings == 2  # the first caller's, and that of the others
    source.error = None
    assert await reading.get() == 0


async def test_a_caller_that_leaves_does_not_stop_the_others() -> None:
    source = Source()
    reading = SharedReading(source.read)
    leaving = asyncio.ensure_future(reading.get())
    await source.began.wait()
    staying = asyncio.ensure_future(reading.get())
    await asyncio.sleep(0)
    leaving.cancel()
    source.go.set()
    assert await staying == 0
    assert leaving.cancelled()
