"""The live event stream of jobs: one reader per process for any number of subscribers, running only while there are
some.

Events are entries of the processing log, so a subscriber that reconnects gets what it missed. Ids are assigned before
their rows become visible; the reader therefore remembers up to which id nothing is missing, and reads from there.
Attempts that were written after the end of their job, or become visible after it, are not sent: a subscriber has closed
that job. A subscriber gets each event once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import msgspec

from ...domain.errors import PhotoChangerError
from ...domain.job import JobEvent, LogEvent, QueueDepth
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue, JobSignals
from ...ports.repositories.job_log import JobLog
from ..support.concurrency import Supervisor, cancel_and_wait

_log = logging.getLogger("photochanger.events")

POLL = timedelta(milliseconds=500)
"""Polling interval for events without a wake-up: a job came, was acquired, a call was made."""

GAP_LIFE = timedelta(seconds=10)
"""How long a missing id is waited for: longer than any statement may take. After that its row was never written."""

MAX_MISSED = 1000
"""The most missed events that are sent to a subscriber that reconnects."""

_BATCH = 2000
_MAX_ABOVE_A_GAP = _BATCH // 2
"""A gap is given up before the ids above it fill whole batches: else nothing new would be read."""

_LOOK_BACK = 200
_BUFFER = 256
_PAUSE = timedelta(milliseconds=50)
_OUTAGE_PAUSE = timedelta(seconds=1)


class EventBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscriber gets in one step.

    Attributes:
        resume: the id to reconnect from without missing anything.
        events: of jobs, sorted by id as far as they were visible.
        depth: the queue depth, if it changed.
        reset: more was missed than is sent; the client must reload its state.
    """

    resume: int
    events: tuple[JobEvent, ...] = ()
    depth: QueueDepth | None = None
    reset: bool = False


class TooSlow(Exception):
    """The subscriber did not keep up and was dropped."""


class StreamClosed(Exception):
    """The service is shutting down."""


class Subscriber:
    """A bounded buffer of event batches."""

    def __init__(self) -> None:
        self._buffer: deque[EventBatch] = deque()
        self._missed: set[int] = set()
        """Ids of events that `begin` sent and that may be published too."""

        self._ended: Exception | None = None
        self._woken = asyncio.Event()

    async def next(self) -> EventBatch:
        """The next batch. TooSlow, StreamClosed."""
        while self._ended is None:
            if self._buffer:
                return self._buffer.popleft()
            self._woken.clear()
            await self._woken.wait()
        raise self._ended

    def begin(self, batch: EventBatch) -> None:
        """Put a batch before those that arrived meanwhile, whose events it may have too."""
        self._missed = {event.id for event in batch.events if event.id > batch.resume}
        self._buffer = deque([batch, *map(self._without_missed, self._buffer)])

    def publish(self, batch: EventBatch) -> None:
        """Append a batch; a subscriber whose buffer is full is dropped."""
        if len(self._buffer) >= _BUFFER:
            self.end(TooSlow())
        else:
            self._buffer.append(self._without_missed(batch))
        self._woken.set()

    def _without_missed(self, batch: EventBatch) -> EventBatch:
        twice = self._missed.intersection(event.id for event in batch.events)
        self._missed -= twice  # none is published again
        left = tuple(event for event in batch.events if event.id not in twice)
        return msgspec.structs.replace(batch, events=left) if twice else batch

    def end(self, why: Exception) -> None:
        """Send nothing more; `next` raises `why`."""
        self._ended = self._ended or why
        self._buffer.clear()
        self._woken.set()


class EventStream:
    """Sends the events of jobs to subscribers. An unforeseen error of its reader ends the owner of `supervisor`."""

    def __init__(self, log: JobLog, queue: JobQueue, signals: JobSignals, clock: Clock, supervisor: Supervisor) -> None:
        self._job_log = log
        self._queue = queue
        self._signals = signals
        self._clock = clock
        self._supervisor = supervisor
        self._subscribers: set[Subscriber] = set()
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Lock()
        self._log: _SeenLog | None = None
        self._depth: QueueDepth | None = None
        self._closed = False

    @property
    def subscribers(self) -> int:
        """How many subscribers there are now."""
        return len(self._subscribers)

    @asynccontextmanager
    async def listen(self, *, after: int | None = None) -> AsyncIterator[Subscriber]:
        """A subscriber for the length of the block. QueueUnavailable, StreamClosed.

        `after` is the `resume` of the last batch it got: what it missed comes first, and an event may come twice.
        """
        if self._closed:
            raise StreamClosed
        subscriber = Subscriber()
        try:
            async with self._ready:
                log = await self._begin()
            if self._closed:  # meanwhile: nothing would ever end this subscriber
                raise StreamClosed
            self._subscribers.add(subscriber)
            first = EventBatch(resume=log.low) if after is None else await self._missed(after, log)
            depth = await self._queue.depth()
            self._depth = self._depth or depth
            subscriber.begin(msgspec.structs.replace(first, depth=depth))
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            if not self._subscribers:
                await self._stop_reading()

    async def close(self) -> None:
        """End all subscribers and accept no more."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.end(StreamClosed())
        await self._stop_reading()

    async def _begin(self) -> _SeenLog:
        if self._log is None:
            log = _SeenLog(max(await self._job_log.last_event() - _LOOK_BACK, 0))
            log.unseen(await self._job_log.events(after=log.low, limit=_BATCH), self._clock.monotonic())
            self._depth = None
            self._log, self._reading = log, self._supervisor.start(self._read(log), name="event stream")
        return self._log

    async def _stop_reading(self) -> None:
        reading, self._reading, self._log = self._reading, None, None
        if reading is not None:
            await cancel_and_wait(reading)

    async def _missed(self, after: int, log: _SeenLog) -> EventBatch:
        """Everything since, read for this subscriber alone."""
        low = log.low  # before the reading: what is seen after it is still in the buffer, and may never be sent
        events = await self._job_log.events(after=after, limit=MAX_MISSED + 1)
        if len(events) > MAX_MISSED or after > await self._job_log.last_event():
            return EventBatch(resume=low, reset=True)
        return EventBatch(resume=low, events=tuple(event for event in events if not event.after_end))

    async def _read(self, log: _SeenLog) -> None:
        with self._signals.any_change() as any_change:
            while True:
                try:
                    events = await self._job_log.events(after=log.low, limit=_BATCH)
                    depth = await self._queue.depth()
                except PhotoChangerError as error:
                    _log.warning("event stream paused: %s", error.detail)
                    await self._clock.sleep(_OUTAGE_PAUSE)
                    continue
                # Recorded as seen only here, where nothing can fail before it is sent.
                self._publish(log.unseen(events, self._clock.monotonic()), depth, log)
                await any_change.wait(POLL)
                await self._clock.sleep(_PAUSE)  # under load many wake-ups cost one reading

    def _publish(self, events: Collection[JobEvent], depth: QueueDepth, log: _SeenLog) -> None:
        changed = depth if depth != self._depth else None
        self._depth = depth
        if events or changed is not None:
            batch = EventBatch(resume=log.low, events=tuple(events), depth=changed)
            for subscriber in tuple(self._subscribers):
                subscriber.publish(batch)


class _SeenLog:
    """The ids that were seen. `low`: every id up to it was seen, or never will be."""

    def __init__(self, low: int) -> None:
        self.low = low
        self._seen: dict[int, timedelta] = {}
        self._ends: dict[UUID, int] = {}
        """Ids of the ends above `low`, by job: an attempt with a lower id may become visible later."""

    def unseen(self, events: Collection[JobEvent], now: timedelta) -> list[JobEvent]:
        """Record the events as seen; returns those that are new, without attempts that come after the end of their job.

        The events are sorted by id.
        """
        new = [event for event in events if event.id not in self._seen]
        self._seen.update((event.id, now) for event in new)
        sent = [event for event in new if not self._is_after_end(event)]
        self._ends.update((event.entry.job_id, event.id) for event in new if event.entry.event is LogEvent.FINALIZED)
        # Ids are assigned in order: what is missing below an id that was seen long ago was never written.
        self._go_on(max((id for id, at in self._seen.items() if now - at >= GAP_LIFE), default=self.low))
        if len(self._seen) >= _MAX_ABOVE_A_GAP:
            self._go_on(min(self._seen))
        return sent

    def _is_after_end(self, event: JobEvent) -> bool:
        return event.after_end or (event.entry.event is LogEvent.ATTEMPT and event.entry.job_id in self._ends)

    def _go_on(self, low: int) -> None:
        self.low = low
        while self.low + 1 in self._seen:
            self.low += 1
        self._seen = {id: at for id, at in self._seen.items() if id > self.low}
        self._ends = {job_id: id for job_id, id in self._ends.items() if id > self.low}
