"""Wrong passwords are counted for all processes together, and the count costs those who are right next to nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.memory import FakeClock, memory_adapters
from photochanger.core.domain.accounts import MAX_FAILURES
from photochanger.core.domain.errors import QueueUnavailable, TooManyAttempts
from photochanger.core.ports.accounts import FailureCounter
from photochanger.core.services.auth.login_throttle import LoginThrottle

from tests.support.world import SECOND, FaultInjector

pytestmark = pytest.mark.anyio

HERE, THERE, ACCOUNT = "address 192.0.2.1", "address 192.0.2.2", "account ada"
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


async def seconds_to_wait(check: Any) -> int:
    with pytest.raises(TooManyAttempts) as refused:
        await check
    assert str(refused.value.retry_after) in refused.value.detail
    return refused.value.retry_after


async def test_nine_failures_are_let_through_and_the_tenth_closes_the_door() -> None:
    process = Process()
    await process.fail(HERE, times=MAX_FAILURES - 1)
    await process.throttle.check([HERE])
    await process.throttle.check_now([HERE])
    await process.fail(HERE, times=1)
    assert await seconds_to_wait(process.throttle.check([HERE])) == 60
    assert await seconds_to_wait(process.throttle.check_now([HERE])) == 60


async def test_the_time_to_wait_is_in_whole_seconds_and_ends_with_the_window() -> None:
    process = Process()
    await process.fail(HERE, times=1)
    await process.clock.advance(20 * SECOND)
    await process.fail(HERE, times=9)
    assert await seconds_to_wait(process.throttle.check([HERE])) == 40
    await process.clock.advance(40 * SECOND - MILLISECOND)
    assert await seconds_to_wait(process.throttle.check([HERE])) == 1
    assert await seconds_to_wait(process.another().throttle.check([HERE])) == 1
    await process.clock.advance(MILLISECOND)
    for one in (process, process.another()):
        await one.throttle.check([HERE])
        await one.throttle.check_now([HERE])


async def test_any_blocked_key_blocks_and_the_longest_wait_counts() -> None:
    process = Process()
    await process.fail(HERE)
    await process.clock.advance(10 * SECOND)
    await process.fail(ACCOUNT)
    await process.throttle.check([THERE])
    assert await seconds_to_wait(process.throttle.check([THERE, HERE])) == 50
    assert await seconds_to_wait(process.throttle.check([HERE, ACCOUNT])) == 60
    assert await seconds_to_wait(process.throttle.check_now([HERE, ACCOUNT, THERE])) == 60


async def test_another_process_knows_after_a_second_and_at_once_where_it_asks() -> None:
    process = Process()
    other = process.another()
    await other.throttle.check([HERE])
    await process.fail(HERE, times=5)
    await other.fail(HERE, times=4)
    await process.fail(HERE, times=1)
    await other.throttle.check([HERE])  # what it knows is less than a second old
    await seconds_to_wait(other.throttle.check_now([HERE]))
    await seconds_to_wait(other.throttle.check([HERE]))  # and now it knows
    third = process.another()
    await third.throttle.check([THERE])
    await process.fail(THERE)
    await process.clock.advance(SECOND)
    await seconds_to_wait(third.throttle.check([THERE]))


async def test_those_who_are_right_cost_no_question() -> None:
    process = Process()
    await process.throttle.check([HERE])
    process.counter.calls.clear()
    for _ in range(1000):
        await process.throttle.check([HERE])
        await process.throttle.succeeded([HERE])
    assert process.counter.calls == []


async def test_a_crowd_costs_one_question_a_second() -> None:
    process = Process()
    await asyncio.gather(*(process.throttle.check([f"address {number}"]) for number in range(100)))
    assert process.counter.calls == ["blocked"]


async def test_one_who_is_refused_costs_no_question_any_more() -> None:
    process = Process()
    await process.fail(HERE)
    process.counter.calls.clear()
    for _ in range(100):
        await seconds_to_wait(process.throttle.check([HERE]))
        await seconds_to_wait(process.throttle.check_now([HERE]))
    assert process.counter.calls == []


async def test_success_forgets_the_failures() -> None:
    process = Process()
    for _ in range(3):
        await process.fail(HERE, times=MAX_FAILURES - 1)
        await process.throttle.succeeded([HERE])
    await process.throttle.check_now([HERE])
    await process.fail(HERE, times=MAX_FAILURES - 1)
    await process.throttle.check_now([HERE])


async def test_success_forgets_what_it_names_alone() -> None:
    process = Process()
    await process.fail(HERE, ACCOUNT)
    await process.throttle.succeeded([ACCOUNT])
    await process.throttle.check_now([ACCOUNT])
    await process.throttle.check([ACCOUNT])
    await seconds_to_wait(process.throttle.check_now([HERE]))


async def test_failures_that_are_a_window_apart_do_not_add_up() -> None:
    process = Process()
    for _ in range(3):
        await process.fail(HERE, times=MAX_FAILURES - 1)
        await process.clock.advance(60 * SECOND)
    await process.throttle.check_now([HERE])


async def test_memory_holds_what_the_last_windows_brought_and_no_more() -> None:
    process = Process()
    for _ in range(20):
        for number in range(50):
            await process.fail(f"address {process.clock.now()} {number}", times=10)
        await process.clock.advance(60 * SECOND)
    assert len(process.throttle._failed) <= 100
    assert len(process.throttle._refused) <= 100


async def test_an_outage_is_raised() -> None:
    process = Process()
    process.counter.faults["*"] = QueueUnavailable("away")
    for call in (
        process.throttle.check([HERE]),
        process.throttle.check_now([HERE]),
        process.throttle.failed([HERE]),
        process.throttle.succeeded([HERE]),
    ):
        with pytest.raises(QueueUnavailable):
            await call
    process.counter.faults.clear()
    await process.throttle.check_now([HERE])
