"""The BegunFiles port in memory."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ...core.domain.media import MediaKey, MediaKind


class MemoryBegunFiles:
    """The moments of records in a dictionary."""

    def __init__(self) -> None:
        self._moments: dict[MediaKey, list[datetime]] = {}

    async def add(self, keys: Collection[MediaKey], *, now: datetime) -> None:
        for key in keys:
            self._moments.setdefault(key, []).append(now)

    async def before(self, moment: datetime, kind: MediaKind, *, limit: int) -> list[MediaKey]:
        latest = {key: max(moments) for key, moments in self._moments.items() if key.kind is kind}
        old = [key for key, at in latest.items() if at < moment]
        return sorted(old, key=lambda key: (latest[key], str(key)))[:limit]

    async def remove(self, keys: Collection[MediaKey], *, before: datetime) -> None:
        for key in {*keys} & self._moments.keys():
            if kept := [at for at in self._moments[key] if at >= before]:
                self._moments[key] = kept
            else:
                del self._moments[key]
