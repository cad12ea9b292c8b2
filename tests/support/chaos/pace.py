"""Time as the harness spends it: photos come at a pace, faults last a while, and what is awaited is looked at often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")
_LOOK_SECONDS = 0.05


async def pause(seconds: float) -> None:
    """Let this time pass: the length of a fault, the distance between two photos, a slow provider."""
    await asyncio.sleep(seconds)


async def until(look: Callable[[], Awaitable[_T]], *, seconds: float) -> _T:
    """What `look` returns once that is true, or what it returned last when the time is over."""
    end = time.monotonic() + seconds
    while not (seen := await look()) and time.monotonic() < end:  # noqa: ASYNC110 - the state of other processes
        await asyncio.sleep(_LOOK_SECONDS)
    return seen
