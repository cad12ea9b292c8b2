"""The FailureCounter port in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from ....core.domain.accounts import WINDOW, max_failures


class MemoryFailureCounter:
    """Counts in a dictionary, each with the moment it began."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[datetime, int]] = {}

    async def failed(self, keys: Collection[str], *, now: datetime) -> None:
        for key in set(keys):
            since, count = self._counts.get(key, (now, 0))
            self._counts[key] = (now, 1) if since + WINDOW <= now else (since, count + 1)

    async def blocked(self, *, now: datetime, keys: Collection[str] | None = None) -> Mapping[str, datetime]:
        return {
            key: since + WINDOW
            for key, (since, count) in self._counts.items()
            if count >= max_failures(key) and since + WINDOW > now and (keys is None or key in keys)
        }

    async def prune(self, *, now: datetime) -> int:
        ended = [key for key, (since, _) in self._counts.items() if since + WINDOW <= now]
        for key in ended:
            del self._counts[key]
        return len(ended)
