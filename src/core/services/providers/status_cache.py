"""What this process knows of how the providers are doing: read at most every two seconds, however many jobs ask."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from ...domain.provider_usage import ProviderHealth
from ...ports.clock import Clock
from ...ports.provider_limits import ProviderLimits

_MAX_AGE = timedelta(seconds=2)


class ProviderStatusCache:
    """The standings of all providers, a little old."""

    def __init__(self, limits: ProviderLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._standings: dict[str, ProviderHealth] = {}
        self._read_at: timedelta | None = None
        self._reading = asyncio.Lock()

    async def current(self) -> dict[str, ProviderHealth]:
        """By provider id; QueueUnavailable."""
        async with self._reading:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= _MAX_AGE:
                self._standings, self._read_at = await self._limits.standings(), now
        return self._standings

    def forget(self) -> None:
        """Something went wrong: the next one who asks is to know of it."""
        self._read_at = None
