"""A clock that stands still until a test moves it, so that a job's whole life runs without waiting."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Sized
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

_MAX_TURNS = 100
"""How many turns of the event loop tasks get to react; more than any chain of awaits in the core is long."""


class FakeClock:
    """The Clock port with a time that only `advance` moves. Sleeps and timeouts fire in the order of their moments."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._zero = now
        self._elapsed = timedelta(0)
        self._order = count()
        self._alarms: list[tuple[timedelta, int, Callable[[], None]]] = []

    def now(self) -> datetime:
        return self._zero + self._elapsed

    def by_machine(self, moment: datetime) -> datetime:
        return moment

    def monotonic(self) -> timedelta:
        return self._elapsed

    def set_back(self, duration: timedelta) -> None:
        """Set the wall clock back, as an administrator or NTP may; `monotonic`, sleeps and timeouts do not notice."""
        self._zero -= duration

    def stand_still(self, duration: timedelta) -> None:
        """Let `duration` pass while nothing runs, as in a process that was stopped; what fell due happens in the next
        `advance`, late."""
        self._elapsed += duration

    async def sleep(self, duration: timedelta) -> None:
        if duration <= timedelta(0):
            await asyncio.sleep(0)
            return
        awake = asyncio.get_running_loop().create_future()
        self._at(self._elapsed + duration, lambda: None if awake.done() else awake.set_result(None))
        await awake

    def timeout_at(self, moment: datetime) -> AbstractAsyncContextManager[object]:
        return self._timeout_at(moment)

    async def advance(self, duration: timedelta) -> None:
        """Let `duration` pass: everything that falls due on the way happens at its own moment.

        Tasks get their turns before, between and after; work in other threads is not waited for.
        """
        until = self._elapsed + duration
        await _settle()
        while self._alarms and self._alarms[0][0] <= until:
            due, _, fire = heapq.heappop(self._alarms)
            self._elapsed = max(self._elapsed, due)
            fire()
            await _settle()
        self._elapsed = until
        await _settle()

    def _at(self, due: timedelta, fire: Callable[[], None]) -> None:
        heapq.heappush(self._alarms, (due, next(self._order), fire))

    @asynccontextmanager
    async def _timeout_at(self, moment: datetime) -> AsyncIterator[object]:
        inside = True
        async with asyncio.timeout(None) as timeout:

            def fire() -> None:
                if inside and not timeout.expired():
                    timeout.reschedule(asyncio.get_running_loop().time())

            left = moment - self.now()
            if left <= timedelta(0):
                fire()
            else:
                self._at(self._elapsed + left, fire)
            try:
                yield timeout
            finally:
                inside = False


async def _settle() -> None:
    """Let tasks run until none of them can go on."""
    # asyncio's own loops keep what is ready to run in `_ready`; other loops get all turns.
    ready: Sized = getattr(asyncio.get_running_loop(), "_ready", (None,))
    for _ in range(_MAX_TURNS):
        await asyncio.sleep(0)
        if not ready:
            return
