"""Time as the harness spends it: photos come at a pace, faults last a while, and what is awaited is looked at often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")
_LOOK_SECONDS = 0.2
_LAST_SAMPLES = 25
_SPIN_SECONDS = 0.004


async def pause(seconds: float) -> None:
    """Let this time pass: the length of a fault, the distance between two photos, a slow provider."""
    await asyncio.sleep(seconds)


async def until(look: Callable[[], Awaitable[_T]], *, seconds: float) -> _T:
    """What `look` returns once that is true, or what it returned last when the time is over."""
    end = time.monotonic() + seconds
    while not (seen := await look()) and time.monotonic() < end:  # noqa: ASYNC110 - the state of other processes
        await asyncio.sleep(_LOOK_SECONDS)
    return seen


class Slowness:
    """How many times longer than its computing time work takes on this machine at the moment: what others take of it.

    Bounds on answers are stretched by it, so that they hold on a busy machine too.
    """

    def __init__(self) -> None:
        self._samples: list[float] = []

    async def measure(self) -> None:
        """Sample until cancelled."""
        while True:
            self._samples.append(await asyncio.to_thread(_stretch))
            await pause(_LOOK_SECONDS)

    @property
    def now(self) -> float:
        """The mean of the last samples, at least 1."""
        last = self._samples[-_LAST_SAMPLES:]
        return max(sum(last) / len(last), 1.0) if last else 1.0

    def take(self) -> float:
        """The mean of the slowest tenth since the last call, at least 1."""
        samples, self._samples = sorted(self._samples, reverse=True), []
        slowest = samples[: max(len(samples) // 10, 1)]
        return max(sum(slowest) / len(slowest), 1.0) if slowest else 1.0


def _stretch() -> float:
    wall, computed = time.monotonic(), time.thread_time()
    while (spent := time.thread_time() - computed) < _SPIN_SECONDS:
        pass
    return (time.monotonic() - wall) / spent
