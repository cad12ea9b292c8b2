"""The JobSignals port on LISTEN/NOTIFY: one connection per process, fanned out in memory.

Wake-ups are hints. While the connection is away its listeners poll, and once it is back everybody is woken to look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from datetime import timedelta
from types import TracebackType
from typing import Literal, Self
from uuid import UUID

import psycopg

from ...core.domain.errors import QueueUnavailable
from .database import Database

_log = logging.getLogger("photochanger.signals")

WORK_CHANNEL = "photochanger_work"
FINALIZED_CHANNEL = "photochanger_finalized"
_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 5.0

Topic = UUID | Literal["work", "moved"]
"""What is listened for: the end of a job, work, or anything."""


class _Subscription:
    def __init__(self, listeners: dict[Topic, set[_Subscription]], topic: Topic) -> None:
        self._listeners = listeners
        self._topic = topic
        self._woken = asyncio.Event()

    def __enter__(self) -> Self:
        self._listeners[self._topic].add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        listeners = self._listeners[self._topic]
        listeners.discard(self)
        if not listeners:
            del self._listeners[self._topic]

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, timeout: timedelta) -> bool:
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True


class PostgresJobSignals:
    """Listens from `__aenter__` to `__aexit__`, through every loss of the connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[Topic, set[_Subscription]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def work(self) -> _Subscription:
        return _Subscription(self._listeners, "work")

    def any_change(self) -> _Subscription:
        return _Subscription(self._listeners, "moved")

    def finalized(self, job_id: UUID) -> _Subscription:
        return _Subscription(self._listeners, job_id)

    async def wait_until_listening(self) -> None:
        """Return as soon as wake-ups come in; for tests and measurements that need the signal, not the poll."""
        await self._listening.wait()

    async def _listen(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await self._database.connect()
                try:
                    for channel in (WORK_CHANNEL, FINALIZED_CHANNEL):
                        await connection.execute(f"listen {channel}")
                    pause = _FIRST_PAUSE_SECONDS
                    self._listening.set()
                    self._wake_everybody()  # for what was missed while nobody listened
                    async for notice in connection.notifies():
                        self._tell(notice.channel, notice.payload)
                finally:
                    self._listening.clear()
                    with contextlib.suppress(psycopg.Error):
                        await connection.close()
            except (QueueUnavailable, psycopg.Error, OSError) as error:
                _log.warning("wake-ups are away, listeners poll: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MAX_PAUSE_SECONDS)

    def _tell(self, channel: str, payload: str) -> None:
        try:
            topics: list[Topic] = ["work"] if channel == WORK_CHANNEL else [UUID(id) for id in payload.split(",")]
        except ValueError:
            # Whoever may use the database may send here. Ending for it would leave everybody to their polls for good.
            _log.warning("a wake-up came that names no job: somebody else sends on %s", channel)
            self._wake_everybody()
            return
        for topic in (*topics, "moved"):
            for subscription in self._listeners.get(topic, ()):
                subscription.wake()

    def _wake_everybody(self) -> None:
        for subscriptions in self._listeners.values():
            for subscription in subscriptions:
                subscription.wake()
