"""Waiting for a call in a process that may stand still: stopped, or on a machine that is suspended or too busy."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from ...ports.clock import Clock

STANDSTILL = timedelta(seconds=2)
"""A process that goes on this much later than it was to stood still. What has come since was not read yet."""


async def wait_for_call(call: asyncio.Future[Any], pause: timedelta, clock: Clock) -> timedelta:
    """Wait for the end of a call, but no longer than `pause`; returns by how much it was longer all the same.

    Cancellation leaves the call running.
    """
    until = clock.monotonic() + pause
    try:
        async with clock.timeout_at(clock.now() + pause):
            await asyncio.wait([call])
    except TimeoutError:
        pass  # the caller sees that the call has not ended
    return max(clock.monotonic() - until, timedelta(0))
