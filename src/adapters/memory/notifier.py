"""The JobSignals port in memory: wake-ups within one event loop."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from .database import MemoryDatabase, Topic


class MemoryJobSignals:
    """Wake-ups that the queue over the same database sends."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database
        self.process = uuid4()

    def work(self) -> _Listener:
        return _Listener(self._db, "work")

    def any_change(self) -> _Listener:
        return _Listener(self._db, "moved")

    def finalized(self, job_id: UUID) -> _Listener:
        return _Listener(self._db, job_id)


class _Listener:
    """A Subscription to one topic."""

    def __init__(self, database: MemoryDatabase, topic: Topic) -> None:
        self.places = 1
        self._db = database
        self._topic = topic
        self._woken = asyncio.Event()

    def __enter__(self) -> Self:
        self._db.listeners.setdefault(self._topic, set()).add(self._woken)
        if self._topic == "work" and self._db.has_unclaimed_work:
            self._db.has_unclaimed_work = False
            self._woken.set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        listeners = self._db.listeners[self._topic]
        listeners.discard(self._woken)
        if not listeners:
            del self._db.listeners[self._topic]

    async def wait(self, timeout: timedelta) -> bool:
        try:
            async with self._db.clock.timeout_at(self._db.clock.now() + timeout):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True
