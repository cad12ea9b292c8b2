"""Two things asked for at once come to what they come to one after the other."""

from __future__ import annotations

import asyncio

import pytest
from photochanger.core.services.support.concurrency import gather_in_order

pytestmark = pytest.mark.anyio


async def told(value: str, *, after: asyncio.Event | None = None) -> str:
    if after is not None:
        await after.wait()
    return value


async def failing(error: Exception, *, after: asyncio.Event | None = None, sets: asyncio.Event | None = None) -> str:
    if after is not None:
        await after.wait()
    if sets is not None:
        sets.set()
    raise error


async def test_both_are_under_way_at_the_same_time() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def meeting(mine: asyncio.Event, other: asyncio.Event) -> str:
        mine.set()
        await other.wait()
        return "met"

    assert await gather_in_order(meeting(first, second), meeting(second, first)) == ("met", "met")


async def test_the_first_ones_error_is_told_also_where_the_second_failed_earlier() -> None:
    second_failed = asyncio.Event()
    with pytest.raises(ValueError):
        await gather_in_order(failing(ValueError(), after=second_failed), failing(KeyError(), sets=second_failed))
    with pytest.raises(KeyError):
        await gather_in_order(told("here"), failing(KeyError()))


async def test_nothing_goes_on_where_the_caller_is_cancelled() -> None:
    stopped = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    waiting = asyncio.ensure_future(gather_in_order(endless(), endless()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert stopped == [True, True]
