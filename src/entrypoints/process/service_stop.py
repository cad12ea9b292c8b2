"""The stop of a process as its parts see it: requested by the first stop signal, hurried by the second."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from ...core.ports.clock import Clock
from ...core.services.support.concurrency import race


class ServiceStop:
    """What was asked for, and how much time is left for what is running."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends_at: timedelta | None = None
        self.requested = asyncio.Event()
        self.hurried = asyncio.Event()

    def request(self) -> None:
        """Stop: take nothing new, finish what is running."""
        self.requested.set()

    def hurry(self) -> None:
        """Do not wait for what is running."""
        self.requested.set()
        self.hurried.set()

    def begin(self, limit: timedelta) -> None:
        """Give what is running this much time from now on."""
        self._ends_at = self._clock.monotonic() + limit

    @property
    def left(self) -> timedelta:
        """How much of that time is left."""
        if self.hurried.is_set() or self._ends_at is None:
            return timedelta(0)
        return max(self._ends_at - self._clock.monotonic(), timedelta(0))

    async def over(self) -> None:
        """Return when that time is over."""
        await race(self._clock.sleep(self.left), self.hurried.wait())
