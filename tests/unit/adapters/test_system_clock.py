"""The machine's clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from photochanger.adapters.system_clock import SystemClock

pytestmark = pytest.mark.anyio


async def test_now_is_this_moment_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


async def test_monotonic_time_goes_on() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(timedelta(milliseconds=1))
    assert clock.monotonic() > before


@pytest.mark.parametrize("left", [timedelta(hours=-1), timedelta(0), timedelta(milliseconds=20)])
async def test_a_block_is_cancelled_at_its_moment(left: timedelta) -> None:
    clock = SystemClock()
    with pytest.raises(TimeoutError):
        async with clock.timeout_at(clock.now() + left):
            await asyncio.Event().wait()


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    clock = SystemClock()
    async with clock.timeout_at(clock.now() + timedelta(hours=1)):
        await clock.sleep(timedelta(milliseconds=1))
