"""The JobSignals port on LISTEN/NOTIFY: one connection per process, fanned out in memory.

Wake-ups are hints. Without the connection subscribers poll; once it is back all of them are woken. A process has a
channel of its own, for work while it is among the idle workers, and for pictures of the jobs that it holds. A pooler
delivers nothing: there one query per process finds what to wake (ADR 80).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID, uuid4

import psycopg

from ....core.domain.errors import QueueUnavailable
from ..batching import Batcher
from ..connection import BoundedConnection
from ..database import Database
from ..outages import reason_of
from .idle_workers import ANNOUNCE_EVERY_SECONDS, UNCLAIMED, IdleWorkers
from .wake_ups import FINALIZED_CHANNEL, WORK_CHANNEL, WakeUps, channel_of

_log = logging.getLogger("photochanger.signals")

_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 2.0
_CHECK_EVERY_SECONDS = 10.0

_POLL_SECONDS = 0.25
_LOOK_AGAIN_SECONDS = 60.0
"""How long a process polls before it looks whether LISTEN works now."""

_CHANGES = """
select exists (
        select from photochanger.jobs
        where finalized_at is null and expires_at > now() and (state = 'pending' or lease_until <= now())
    ) as work,
    array(select id from photochanger.jobs where id = any(%(ids)s::uuid[]) and finalized_at is not null) as ended,
    (select max(id) from photochanger.processing_logs) as last_entry
"""

_IDENTITY = """
select (select system_identifier from pg_control_system()), oid from pg_database where datname = current_database()
"""

Topic = UUID | Literal["work", "moved"]
"""What a subscription waits for: the end of a job, new work, or any change."""


class ListenMode(enum.Enum):
    """How subscribers are woken: by LISTEN, or by a query, because of what the value says."""

    LISTEN = ""
    POOLER = "LISTEN needs a direct connection, and PHOTOCHANGER_DATABASE_URL leads through a pooler"
    LISTEN_POOLER = "PHOTOCHANGER_LISTEN_DATABASE_URL leads through a pooler"
    OTHER_DATABASE = "PHOTOCHANGER_LISTEN_DATABASE_URL leads to another database than PHOTOCHANGER_DATABASE_URL"


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
        self.places = 1
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
            await (self._idle.announce(self.places) if self._listening.is_set() else self._idle.look())
        except QueueUnavailable as error:
            _log.warning("worker cannot look for jobs: %s", error.detail)


class PostgresJobSignals:
    """Wakes subscriptions while `listen` runs.

    Attributes:
        mode: how; None while there is no connection.
        process: see JobSignals.
    """

    def __init__(self, database: Database) -> None:
        self.process = uuid4()
        self._channel = channel_of(self.process)
        self._database = database
        self._listeners: dict[Topic, set[_Subscription]] = defaultdict(set)
        self._waking = asyncio.Event()
        self._listening = asyncio.Event()
        self._logged = ListenMode.LISTEN
        self.mode: ListenMode | None = None
        self._idle = IdleWorkers(database, self._channel, on_unclaimed=lambda: self._wake_topics("work", "moved"))
        self._wake_ups = WakeUps(database)

    def work(self) -> _WorkSubscription:
        return _WorkSubscription(self._listeners, self._idle, self._listening)

    def any_change(self) -> _Subscription:
        return _Subscription(self._listeners, "moved")

    def finalized(self, job_id: UUID) -> _Subscription:
        return _Subscription(self._listeners, job_id)

    async def wait_until_listening(self) -> None:
        """Return once wake-ups arrive; for tests and measurements that need the signal, not the subscribers' poll."""
        await self._waking.wait()

    async def listen(self) -> None:
        """Receive wake-ups until cancelled, reconnecting after every loss of the connection."""
        changes, identity = self._database.batcher(_read_changes), self._database.batcher(_read_identity)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await self._database.connect_listener()
                try:
                    self.mode = await self._mode_of(connection, identity)
                    if self.mode is ListenMode.LISTEN:
                        for channel in (WORK_CHANNEL, FINALIZED_CHANNEL, self._channel):
                            await connection.execute(f"listen {channel}")
                        await self._read_unclaimed(connection)
                        self._listening.set()
                    pause = _FIRST_PAUSE_SECONDS
                    self._log_polling(self.mode)
                    self._waking.set()
                    self._wake_all()  # for what was missed meanwhile
                    while self.mode is ListenMode.LISTEN:
                        await self._receive(connection)
                        await connection.execute("select 1")  # a silent connection would stay unnoticed
                finally:
                    with contextlib.suppress(psycopg.Error):
                        await connection.close()
                await self._poll(changes)
                continue
            except (QueueUnavailable, psycopg.Error, OSError) as error:
                self._waking.clear()
                self._listening.clear()
                self.mode = None
                _log.warning("LISTEN connection lost; polling: %s", reason_of(error))
            await asyncio.sleep(pause * (1 + random.random() / 4))
            pause = min(pause * 2, _MAX_PAUSE_SECONDS)

    async def _mode_of(self, connection: BoundedConnection, identity: Batcher[None, Any]) -> ListenMode:
        """Whether LISTEN works on this connection. Through a pooler it succeeds, delivers nothing and stays behind."""
        separate = self._database.listen_url is not None
        if connection.pooled:
            return ListenMode.LISTEN_POOLER if separate else ListenMode.POOLER
        if separate:
            try:
                (theirs,) = await _read_identity(connection, [None])
                if theirs != await identity.call(None):
                    return ListenMode.OTHER_DATABASE
            except psycopg.errors.InsufficientPrivilege as error:
                _log.info("whether LISTEN leads to the same database is unknown: %s", reason_of(error))
        return ListenMode.LISTEN

    def _log_polling(self, mode: ListenMode) -> None:
        if mode not in (ListenMode.LISTEN, self._logged):
            _log.warning("%s; polling. Set PHOTOCHANGER_LISTEN_DATABASE_URL to its direct address.", mode.value)
        self._logged = mode

    async def _poll(self, changes: Batcher[list[UUID], Any]) -> None:
        """Wake subscribers by a query, until it is time to look whether LISTEN works. QueueUnavailable."""
        end = asyncio.get_running_loop().time() + _LOOK_AGAIN_SECONDS
        woken: set[UUID] = set()
        last_entry: int | None = None
        while asyncio.get_running_loop().time() < end:
            if self._listeners:
                ids = [topic for topic in self._listeners if isinstance(topic, UUID)]
                has_work, ended, entry = await changes.call(ids)
                topics: list[Topic] = [id for id in ended if id not in woken]
                topics += ["work"] if has_work else []
                topics += ["moved"] if entry != last_entry else []
                self._wake_topics(*topics)
                woken, last_entry = set(ended), entry
            await asyncio.sleep(_POLL_SECONDS)

    async def _receive(self, connection: BoundedConnection) -> None:
        """Pass on what arrives, for `_CHECK_EVERY_SECONDS`."""
        limit, connection.reply_within = connection.reply_within, None
        async for notice in connection.notifies(timeout=_CHECK_EVERY_SECONDS):
            self._wake(notice.channel, notice.payload)
        connection.reply_within = limit

    async def _read_unclaimed(self, connection: BoundedConnection) -> None:
        """Begin to count here: all subscribers are woken for what came before."""
        self._idle.forget()
        try:
            row = await (await connection.execute(UNCLAIMED)).fetchone()
        except psycopg.errors.UndefinedTable:  # a database without the schema, which will be created
            row = None
        self._idle.unclaimed = None if row is None else row[0]

    def _wake(self, channel: str, payload: str) -> None:
        chosen = channel == self._channel and not payload
        if chosen:
            self._idle.chosen()
            if "work" not in self._listeners:
                self._wake_ups.work()  # it is not idle any more; another one may be
        if chosen or channel == WORK_CHANNEL:
            self._wake_topics("work", "moved")
            return
        try:
            self._wake_topics(*(UUID(id) for id in payload.split(",")), "moved")
        except ValueError:
            # Any user of the database may send on this channel; that must not end the loop.
            _log.warning("NOTIFY without a job id ignored: another program sends on %s", channel)
            self._wake_all()

    def _wake_topics(self, *topics: Topic) -> None:
        for topic in topics:
            for subscription in self._listeners.get(topic, ()):
                subscription.wake()

    def _wake_all(self) -> None:
        for subscriptions in self._listeners.values():
            for subscription in subscriptions:
                subscription.wake()


async def _read_changes(connection: BoundedConnection, batch: Sequence[list[UUID]]) -> list[Any]:
    return [await (await connection.execute(_CHANGES, {"ids": ids})).fetchone() for ids in batch]


async def _read_identity(connection: BoundedConnection, batch: Sequence[None]) -> list[Any]:
    identity = await (await connection.execute(_IDENTITY)).fetchone()
    return [identity] * len(batch)
