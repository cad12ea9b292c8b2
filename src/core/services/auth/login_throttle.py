"""Throttling of wrong passwords by address, shared by all processes of the service."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Collection, Mapping
from datetime import timedelta

from ...domain.errors import TooManyAttempts
from ...ports.accounts import FailureCounter
from ...ports.clock import Clock
from ..support.refreshing_value import RefreshingValue


class LoginThrottle:
    """Blocks the wrong passwords of keys (a host, a site) that failed too often. Methods may raise QueueUnavailable.

    Failures counted by this process count at once, those of other processes after at most a second. Right passwords do
    not ask it.
    """

    def __init__(self, counter: FailureCounter, clock: Clock) -> None:
        self._counter = counter
        self._clock = clock
        self._blocked = RefreshingValue(self._read, clock, what="the blocked addresses")
        self._counting = asyncio.Lock()
        self._refused: dict[str, timedelta] = {}
        """Keys that this process found blocked, each with the monotonic time at which that ends. The oldest are at the
        front."""

    async def is_blocked(self, keys: Collection[str]) -> bool:
        """Whether one of these keys is blocked, as far as this process knows."""
        return await self._seconds_left(keys) > 0

    async def failed(self, keys: Collection[str]) -> None:
        """Count a wrong password for each of these keys; TooManyAttempts, and none is counted, while one is blocked."""
        await self._refuse(keys)
        async with self._counting:  # one after the other, so that exactly the allowed number is counted
            await self._refuse(keys)
            await self._counter.failed(keys, now=self._clock.now())
            now = self._clock.monotonic()
            for key, until in (await self._read(keys)).items():
                _note(self._refused, key, until=until, now=now)

    async def _refuse(self, keys: Collection[str]) -> None:
        seconds = await self._seconds_left(keys)
        if seconds > 0:
            raise TooManyAttempts(f"Too many wrong passwords. Try again in {seconds} s.", retry_after=seconds)

    async def _seconds_left(self, keys: Collection[str]) -> int:
        now = self._clock.monotonic()
        if (until := _latest(keys, self._refused)) <= now:
            until = _latest(keys, await self._blocked.get())
        return max(math.ceil((until - now).total_seconds()), 0)

    async def _read(self, keys: Collection[str] | None = None) -> Mapping[str, timedelta]:
        """The blocked keys, each with the monotonic time at which its block ends."""
        now, here = self._clock.now(), self._clock.monotonic()
        blocked = await self._counter.blocked(now=now, keys=keys)
        return {key: here + (until - now) for key, until in blocked.items()}


def _latest(keys: Collection[str], blocked: Mapping[str, timedelta]) -> timedelta:
    return max((blocked[key] for key in keys if key in blocked), default=timedelta(0))


def _note(known: dict[str, timedelta], key: str, *, until: timedelta, now: timedelta) -> None:
    """Keep a key until its time, and drop those at the front whose time has passed, so that memory is bounded by what
    the last two windows brought."""
    known.pop(key, None)
    known[key] = until
    for old in list(itertools.takewhile(lambda old: known[old] <= now, known)):
        del known[old]
