"""Calls to the database are repeated where a person waits, for a while from the first failure on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.adapters.memory.clock import FakeClock
from photochanger.core.domain.errors import ChangeUnconfirmed, QueueUnavailable, SlotNotFound
from photochanger.core.services.support.repeated_calls import RepeatedCalls, current_patience, waiting_for_database

pytestmark = pytest.mark.anyio

PATIENCE = timedelta(seconds=6)


class Records:
    """An adapter that fails as often as it is told."""

    limit = 5

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures
        self.calls = 0

    async def get(self, name: str, *, twice: bool = False) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return name * 2 if twice else name

    def at_once(self) -> int:
        return self.limit


def away(times: int) -> list[Exception]:
    return [QueueUnavailable("away") for _ in range(times)]


async def test_a_call_is_repeated_until_it_succeeds() -> None:
    clock, records = FakeClock(), Records(away(4))
    with waiting_for_database(clock, PATIENCE):
        call = asyncio.create_task(RepeatedCalls(records).get("ada", twice=True))
    await clock.advance(PATIENCE / 2)
    assert (call.result(), records.calls) == ("adaada", 5)


async def test_without_patience_it_is_called_once() -> None:
    records = Records(away(1))
    with pytest.raises(QueueUnavailable):
        await RepeatedCalls(records).get("ada")
    assert records.calls == 1
    assert current_patience() is None


async def test_what_is_no_call_is_passed_on() -> None:
    repeated = RepeatedCalls(Records([]))
    assert (repeated.limit, repeated.at_once()) == (5, 5)


async def test_patience_begins_with_the_first_failure_and_is_that_of_all_calls_together() -> None:
    """An upload may take minutes before the first call."""
    clock = FakeClock()
    first, second, third = Records(away(3)), Records(away(1000)), Records(away(1000))

    async def request() -> None:
        await clock.sleep(10 * PATIENCE)
        await RepeatedCalls(first).get("ada")
        began = clock.now()
        with pytest.raises(QueueUnavailable):
            await RepeatedCalls(second).get("ada")
        assert clock.now() - began < PATIENCE
        with pytest.raises(QueueUnavailable):
            await RepeatedCalls(third).get("ada")

    with waiting_for_database(clock, PATIENCE):
        asked = asyncio.create_task(request())
    await clock.advance(12 * PATIENCE)
    assert asked.done()
    await asked
    assert (first.calls, third.calls) == (4, 1)


@pytest.mark.parametrize("error", [ChangeUnconfirmed("open"), SlotNotFound("none")])
@pytest.mark.parametrize("before", [0, 2])
async def test_other_errors_and_a_change_that_may_have_been_made_end_it(error: Exception, before: int) -> None:
    clock, records = FakeClock(), Records([*away(before), error])
    with waiting_for_database(clock, PATIENCE):
        call = asyncio.create_task(RepeatedCalls(records).get("ada"))
    await clock.advance(PATIENCE)
    assert call.exception() is error
    assert records.calls == before + 1
