"""The JobSignals port on LISTEN/NOTIFY: one connection per process, fanned out in memory.

Wake-ups are hints. Without the connection subscribers poll; once it is back all of them are woken. For work, a process
is woken on a channel of its own, while it is among the idle workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from datetime import timedelta
from types import TracebackType
from typing import Literal, Self
from uuid import UUID

import psycopg

from ....core.domain.errors import QueueUnavailable
from ..connection import BoundedConnection
from ..database import Database
from ..outages import reason_of
from .idle_workers import ANNOUNCE_EVERY_SECONDS, UNCLAIMED, IdleWorkers
from .wake_ups import FINALIZED_CHANNEL, WORK_CHANNEL, WakeUps

_log = logging.getLogger("photochanger.signals")

_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 2.0
_CHECK_EVERY_SECONDS = 10.0

Topic = UUID | Literal["work", "moved"]
"""What a subscription waits for: the end of a job, new work, or any change."""


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


class _WorkSubscription(_Subscription):
    """Among the idle workers from the first wait until the end of the block, but for the time after a wake-up."""

    def __init__(self, listeners: dict[Topic, set[_Subscription]], idle: IdleWorkers, listening: asyncio.Event) -> None:
        super().__init__(listeners, "work")
        self._idle = idle
        self._listening = listening

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if "work" not in self._listeners:
            self._idle.withdraw()

    async def wait(self, timeout: timedelta) -> bool:
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                while not self._woken.is_set():
                    await self._look()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(ANNOUNCE_EVERY_SECONDS):
                            await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    async def _look(self) -> None:
        try:
            await (self._idle.announce() if self._listening.is_set() else self._idle.look())
        except QueueUnavailable as error:
            _log.warning("worker cannot look for jobs: %s", error.detail)


class PostgresJobSignals:
    """Wakes subscriptions while `listen` runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[Topic, set[_Subscription]] = defaultdict(set)
        self._listening = asyncio.Event()
        self._idle = IdleWorkers(database, on_unclaimed=lambda: self._wake_topics("work"))
        self._wake_ups = WakeUps(database)

    def work(self) -> _Subscription:
        return _WorkSubscription(self._listeners, self._idle, self._listening)

    def any_change(self) -> _Subscription:
        return _Subscription(self._listeners, "moved")

    def finalized(self, job_id: UUID) -> _Subscription:
        return _Subscription(self._listeners, job_id)

    async def wait_until_listening(self) -> None:
        """Return once wake-ups arrive; for tests and measurements that need the signal, not the poll."""
        await self._listening.wait()

    async def listen(self) -> None:
        """Receive wake-ups until cancelled, reconnecting after every loss of the connection."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await self._database.connect()
                try:
                    for channel in (WORK_CHANNEL, FINALIZED_CHANNEL, self._idle.channel):
                        await connection.execute(f"listen {channel}")
                    await self._read_unclaimed(connection)
                    pause = _FIRST_PAUSE_SECONDS
                    self._listening.set()
                    self._wake_all()  # for what was missed meanwhile
                    while True:
                        await self._receive(connection)
                        await connection.execute("select 1")  # a silent connection would stay unnoticed
                finally:
                    self._listening.clear()
                    with contextlib.suppress(psycopg.Error):
                        await connection.close()
            except (QueueUnavailable, psycopg.Error, OSError) as error:
                _log.warning("LISTEN connection lost; polling: %s", reason_of(error))
            await asyncio.sleep(pause * (1 + random.random() / 4))
            pause = min(pause * 2, _MAX_PAUSE_SECONDS)

    async def _receive(self, connection: BoundedConnection) -> None:
        """Pass on what arrives, for `_CHECK_EVERY_SECONDS`."""
        limit, connection.reply_within = connection.reply_within, None
        async for notice in connection.notifies(timeout=_CHECK_EVERY_SECONDS):
            self._wake(notice.channel, notice.payload)
        connection.reply_within = limit

    async def _read_unclaimed(self, connection: BoundedConnection) -> None:
        """Begin to count here: all subscribers are woken for what came before."""
        self._idle.claimed()
        try:
            row = await (await connection.execute(UNCLAIMED)).fetchone()
        except psycopg.errors.UndefinedTable:  # a database without the schema, which will be created
            row = None
        self._idle.unclaimed = None if row is None else row[0]

    def _wake(self, channel: str, payload: str) -> None:
        if channel == self._idle.channel:
            self._idle.claimed()
            if "work" not in self._listeners:
                self._wake_ups.work()  # it is not idle any more; another one may be
        if channel != FINALIZED_CHANNEL:
            self._wake_topics("work")
            return
        try:
            self._wake_topics(*(UUID(id) for id in payload.split(",")))
        except ValueError:
            # Any user of the database may send on this channel; that must not end the loop.
            _log.warning("NOTIFY without a job id ignored: another program sends on %s", channel)
            self._wake_all()

    def _wake_topics(self, *topics: Topic) -> None:
        for topic in (*topics, "moved"):
            for subscription in self._listeners.get(topic, ()):
                subscription.wake()

    def _wake_all(self) -> None:
        for subscriptions in self._listeners.values():
            for subscription in subscriptions:
                subscription.wake()
