"""Wrong passwords are counted for all processes together; further ones are refused until the window has passed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.memory import FakeClock, memory_adapters
from photochanger.core.domain.accounts import MAX_FAILURES, MAX_SITE_FAILURES
from photochanger.core.domain.errors import QueueUnavailable, TooManyAttempts
from photochanger.core.ports.accounts import FailureCounter
from photochanger.core.services.auth.login_throttle import LoginThrottle

from tests.support.world import SECOND, FaultInjector

pytestmark = pytest.mark.anyio

HERE, THERE, SITE = "address 192.0.2.1", "address 192.0.2.2", "address 2001:db8::/48"
MILLISECOND = timedelta(milliseconds=1)


class Process:
    """A process with its throttle; `another` is one more on the same count."""

    def __init__(self, counter: Any = None, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.counter: Any = FaultInjector(counter or memory_adapters(self.clock)[FailureCounter])
        self.throttle = LoginThrottle(self.counter, self.clock)

    def another(self) -> Process:
        return Process(self.counter.inner, self.clock)

    async def fail(self, *keys: str, times: int = MAX_FAILURES) -> None:
        for _ in range(times):
            await self.throttle.failed(keys)


async def seconds_to_wait(process: Process, *keys: str) -> int:
    assert await process.throttle.is_blocked(keys)
    with pytest.raises(TooManyAttempts) as refused:
        await process.throttle.failed(keys)
    assert str(refused.value.retry_after) in refused.value.detail
    return refused.value.retry_after


async def test_ten_failures_are_counted_and_the_next_is_refused() -> None:
    process = Process()
    await process.fail(HERE, times=MAX_FAILURES - 1)
    assert not await process.throttle.is_blocked([HERE])
    await process.fail(HERE, times=1)
    assert await seconds_to_wait(process, HERE) == 60
    assert not await process.throttle.is_blocked([THERE])


async def test_a_site_may_fail_more_often_than_a_host() -> None:
    process = Process()
    await process.fail(SITE, times=MAX_SITE_FAILURES - 1)
    assert not await process.throttle.is_blocked([SITE])
    await process.fail(SITE, times=1)
    assert await seconds_to_wait(process, SITE, HERE) == 60


async def test_the_time_to_wait_is_in_whole_seconds_and_ends_with_the_window() -> None:
    process = Process()
    await process.fail(HERE, times=1)
    await process.clock.advance(20 * SECOND)
    await process.fail(HERE, times=9)
    assert await seconds_to_wait(process, HERE) == 40
    await process.clock.advance(40 * SECOND - MILLISECOND)
    assert await seconds_to_wait(process, HERE) == 1
    assert await seconds_to_wait(process.another(), HERE) == 1
    await process.clock.advance(MILLISECOND)
    for one in (process, process.another()):
        assert not await one.throttle.is_blocked([HERE])


async def test_any_blocked_key_blocks_and_the_longest_wait_counts() -> None:
    process = Process()
    await process.fail(HERE)
    await process.clock.advance(10 * SECOND)
    await process.fail(THERE)
    assert await seconds_to_wait(process, "address 192.0.2.3", HERE) == 50
    assert await seconds_to_wait(process, HERE, THERE) == 60


async def test_refused_failures_are_not_counted() -> None:
    process = Process()
    await process.fail(HERE)
    process.counter.calls.clear()
    for _ in range(100):
        await seconds_to_wait(process, HERE, THERE)
    assert process.counter.calls == []
    assert not await process.throttle.is_blocked([THERE])


async def test_of_failures_at_once_exactly_ten_are_counted() -> None:
    process = Process()
    answers = await asyncio.gather(*(process.throttle.failed([HERE]) for _ in range(40)), return_exceptions=True)
    assert [type(answer) for answer in answers].count(TooManyAttempts) == 40 - MAX_FAILURES
    assert process.counter.calls.count("failed") == MAX_FAILURES


async def test_another_process_knows_after_a_second() -> None:
    process = Process()
    other = process.another()
    assert not await other.throttle.is_blocked([HERE])
    await process.fail(HERE)
    assert not await other.throttle.is_blocked([HERE])  # what it knows is less than a second old
    await process.clock.advance(SECOND)
    await seconds_to_wait(other, HERE)


async def test_a_crowd_costs_one_question_a_second() -> None:
    process = Process()
    await asyncio.gather(*(process.throttle.is_blocked([f"address {number}"]) for number in range(100)))
    assert process.counter.calls == ["blocked"]


async def test_failures_that_are_a_window_apart_do_not_add_up() -> None:
    process = Process()
    for _ in range(3):
        await process.fail(HERE, times=MAX_FAILURES - 1)
        await process.clock.advance(60 * SECOND)
    assert not await process.throttle.is_blocked([HERE])


async def test_memory_is_bounded_by_what_the_last_windows_brought() -> None:
    process = Process()
    for _ in range(20):
        for number in range(50):
            await process.fail(f"address {process.clock.now()} {number}", times=10)
        await process.clock.advance(60 * SECOND)
    assert len(process.throttle._refused) <= 100


async def test_an_outage_is_raised() -> None:
    process = Process()
    process.counter.faults["*"] = QueueUnavailable("away")
    for call in (process.throttle.is_blocked([HERE]), process.throttle.failed([HERE])):
        with pytest.raises(QueueUnavailable):
            await call
    process.counter.faults.clear()
    assert not await process.throttle.is_blocked([HERE])
