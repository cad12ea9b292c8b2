"""Waiting for a queue that is unavailable: until it answers, or until the time is over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.adapters.memory import FakeClock
from photochanger.core.domain.errors import QueueFull, QueueUnavailable
from photochanger.core.services.support.availability import UntilAvailable

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


class Queue:
    """Is away until it is told to answer."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer: str | Exception = QueueUnavailable("away")

    async def ask(self) -> str:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_call_is_repeated_until_the_queue_answers() -> None:
    clock, queue = FakeClock(), Queue()
    asking = asyncio.ensure_future(UntilAvailable(clock, clock.now() + 10 * SECOND)(queue.ask))
    await clock.advance(5 * SECOND)
    assert 5 < queue.calls < 60
    queue.answer = "here"
    await clock.advance(SECOND)
    assert await asking == "here"


async def test_the_error_is_raised_at_the_end_of_the_time() -> None:
    clock, queue = FakeClock(), Queue()
    asking = asyncio.ensure_future(UntilAvailable(clock, clock.now() + 2 * SECOND)(queue.ask))
    await clock.advance(2 * SECOND - timedelta(milliseconds=1))
    assert not asking.done()
    await clock.advance(SECOND)
    with pytest.raises(QueueUnavailable):
        await asking


async def test_other_errors_are_raised_at_once() -> None:
    clock, queue = FakeClock(), Queue()
    queue.answer = QueueFull("full", retry_after=1)
    with pytest.raises(QueueFull):
        await UntilAvailable(clock, clock.now() + SECOND)(queue.ask)
    assert queue.calls == 1


async def test_a_call_without_an_answer_is_cut_off_at_the_end_unless_it_outlasts_it() -> None:
    clock, answered = FakeClock(), asyncio.Event()
    until = clock.now() + SECOND
    cut = asyncio.ensure_future(UntilAvailable(clock, until)(answered.wait))
    outlasting = asyncio.ensure_future(UntilAvailable(clock, until, outlasts=True)(answered.wait))
    await clock.advance(2 * SECOND)
    with pytest.raises(QueueUnavailable):
        await cut
    assert not outlasting.done()
    answered.set()
    assert await outlasting
