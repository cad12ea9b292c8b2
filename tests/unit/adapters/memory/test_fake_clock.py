"""The clock that other tests trust."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.adapters.memory import FakeClock

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


async def test_time_stands_still_until_it_is_advanced() -> None:
    clock = FakeClock()
    before = clock.now()
    assert clock.now() == before
    await clock.advance(3 * SECOND)
    assert clock.now() == before + 3 * SECOND


async def test_sleepers_wake_in_the_order_of_their_moments_and_see_their_own_moment() -> None:
    clock = FakeClock()
    start = clock.now()
    woken: list[tuple[str, timedelta]] = []

    async def sleeper(name: str, seconds: int) -> None:
        await clock.sleep(seconds * SECOND)
        woken.append((name, clock.now() - start))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 5))
        group.create_task(sleeper("early", 2))
        group.create_task(sleeper("never in this step", 9))
        await clock.advance(6 * SECOND)
        assert woken == [("early", 2 * SECOND), ("late", 5 * SECOND)]
        await clock.advance(3 * SECOND)


async def test_a_sleeper_that_sleeps_again_is_served_within_one_advance() -> None:
    clock = FakeClock()
    rounds = []

    async def every_second() -> None:
        while True:
            await clock.sleep(SECOND)
            rounds.append(clock.now())

    task = asyncio.create_task(every_second())
    await clock.advance(5 * SECOND)
    task.cancel()
    assert len(rounds) == 5


async def test_a_timeout_cancels_its_block_at_its_moment_and_not_before() -> None:
    clock = FakeClock()

    async def wait_for_ever() -> str:
        try:
            async with clock.timeout_at(clock.now() + 2 * SECOND):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "went on"

    task = asyncio.create_task(wait_for_ever())
    await clock.advance(2 * SECOND - timedelta(microseconds=1))
    assert not task.done()
    await clock.advance(timedelta(microseconds=1))
    assert await task == "timed out"


async def test_a_timeout_in_the_past_fires_at_the_first_wait() -> None:
    clock = FakeClock()
    with pytest.raises(TimeoutError):
        async with clock.timeout_at(clock.now() - SECOND):
            await asyncio.Event().wait()


async def test_a_block_that_ended_in_time_is_not_touched_by_its_timeout() -> None:
    clock = FakeClock()
    async with clock.timeout_at(clock.now() + SECOND):
        pass
    await clock.advance(2 * SECOND)


async def test_setting_the_wall_clock_back_moves_neither_monotonic_time_nor_sleepers() -> None:
    clock = FakeClock()
    start, begin = clock.now(), clock.monotonic()
    sleeper = asyncio.create_task(clock.sleep(2 * SECOND))
    await clock.advance(SECOND)
    clock.set_back(8 * SECOND)
    assert clock.now() == start - 7 * SECOND
    assert clock.monotonic() == begin + SECOND
    await clock.advance(SECOND)
    assert sleeper.done()
