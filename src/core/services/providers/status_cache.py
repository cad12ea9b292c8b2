"""A cache of the health of all providers, however many jobs ask."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from ...domain.routing.provider_usage import ProviderHealth
from ...ports.clock import Clock
from ...ports.provider_limits import ProviderLimits

_MAX_AGE = timedelta(seconds=1)


class ProviderStatusCache:
    """The health of all providers, at most a second old."""

    def __init__(self, limits: ProviderLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._health: dict[str, ProviderHealth] = {}
        self._read_at: timedelta | None = None
        self._reading = asyncio.Lock()

    async def current(self) -> dict[str, ProviderHealth]:
        """Return the health by provider id; QueueUnavailable."""
        async with self._reading:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= _MAX_AGE:
                self._health, self._read_at = await self._limits.health(), now
        return self._health

    def forget(self) -> None:
        """Read the health again the next time."""
        self._read_at = None
