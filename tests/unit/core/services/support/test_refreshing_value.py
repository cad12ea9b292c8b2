"""A cached value: how often it is read, how old it may become, and that a change here is never missed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.adapters.memory import FakeClock
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.services.support.refreshing_value import RefreshingValue

from tests.support.world import SECOND

pytestmark = pytest.mark.anyio

MILLISECOND = timedelta(milliseconds=1)


class Source:
    """Counts how often it is read, and may hold readers or fail."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.value = "old"
        self.reads = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.fresh = RefreshingValue(self.read, self.clock, what="the value")

    async def read(self) -> str:
        self.reads += 1
        seen = self.value
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return seen


async def test_it_is_read_once_a_second_at_most() -> None:
    source = Source()
    assert await source.fresh.get() == "old"
    source.value = "new"
    await source.clock.advance(SECOND / 2 - MILLISECOND)
    assert [await source.fresh.get() for _ in range(10)] == ["old"] * 10
    assert source.reads == 1
    await source.clock.advance(SECOND / 2 + MILLISECOND)
    assert await source.fresh.get() == "new"
    assert source.reads == 2


async def test_many_that_ask_at_once_cost_one_reading() -> None:
    source = Source()
    source.gate.clear()
    asking = [asyncio.ensure_future(source.fresh.get()) for _ in range(50)]
    await source.clock.advance(timedelta(0))
    source.gate.set()
    assert set(await asyncio.gather(*asking)) == {"old"}
    assert source.reads == 1


async def test_after_half_a_second_it_is_read_ahead_and_no_caller_waits() -> None:
    source = Source()
    await source.fresh.get()
    source.value = "new"
    source.gate.clear()
    await source.clock.advance(SECOND / 2)
    assert [await source.fresh.get() for _ in range(5)] == ["old"] * 5
    await source.clock.advance(timedelta(0))
    assert source.reads == 2
    source.gate.set()
    await source.clock.advance(timedelta(0))
    assert await source.fresh.get() == "new"
    assert source.reads == 2


async def test_an_error_ahead_of_time_is_raised_only_when_the_value_is_too_old() -> None:
    source = Source()
    await source.fresh.get()
    source.error = QueueUnavailable("away")
    await source.clock.advance(SECOND / 2)
    assert await source.fresh.get() == "old"
    await source.clock.advance(SECOND / 4)
    assert await source.fresh.get() == "old"
    await source.clock.advance(SECOND / 4)
    with pytest.raises(QueueUnavailable):
        await source.fresh.get()
    source.error = None
    assert await source.fresh.get() == "old"


async def test_a_forgotten_value_is_read_again_immediately() -> None:
    source = Source()
    await source.fresh.get()
    source.value = "new"
    source.fresh.forget()
    assert await source.fresh.get() == "new"


async def test_a_reading_that_began_before_a_change_is_not_kept() -> None:
    source = Source()
    source.gate.clear()
    reading = asyncio.ensure_future(source.fresh.get())
    await source.clock.advance(timedelta(0))
    source.value = "new"
    source.fresh.forget()
    source.gate.set()
    assert await reading == "old"
    assert await source.fresh.get() == "new"


async def test_the_value_is_not_shown() -> None:
    source = Source()
    source.value = "s3cret"
    await source.fresh.get()
    assert "s3cret" not in repr(source.fresh)
