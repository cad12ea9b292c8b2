"""What happens to jobs, told live to any number of listeners: one reader per process, and only while somebody listens.

The processing log is what is told, so a listener that was away can be told what it missed. Ids are given out before
their rows can be seen; the reader therefore remembers up to where nothing is missing, and asks from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec

from ...domain.errors import PhotoChangerError
from ...domain.job import JobEvent, QueueDepth
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue, JobSignals
from ...ports.job_repository import JobRepository

_log = logging.getLogger("photochanger.events")

POLL = timedelta(milliseconds=500)
"""How soon what nobody is woken for is seen: a job that was taken, a call that was made."""

GAP_LIFE = timedelta(seconds=10)
"""How long an id that is missing is waited for: longer than any statement may take. Then its row was never written."""

MAX_MISSED = 1000
"""So many events at most are told anew to a listener that was away."""

_BATCH = 2000
_MAX_ABOVE_A_GAP = _BATCH // 2
"""A gap is given up before what lies above it fills whole readings: nothing new would be seen any more."""

_LOOK_BACK = 200
_BUFFER = 256
_PAUSE = timedelta(milliseconds=50)
_OUTAGE_PAUSE = timedelta(seconds=1)


class EventBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a listener is told at once.

    Attributes:
        resume: whoever has been told this has missed nothing if told on from here.
        events: of jobs, by id as far as they could be seen.
        depth: how many live jobs there are, where that changed.
        reset: more was missed than is told anew: what is known should be read again.
    """

    resume: int
    events: tuple[JobEvent, ...] = ()
    depth: QueueDepth | None = None
    reset: bool = False


class TooSlow(Exception):
    """The listener did not take what it was told for too long, and is told no more."""


class StreamClosed(Exception):
    """The service stops."""


class Subscriber:
    """One listener's ear: a bounded buffer."""

    def __init__(self) -> None:
        self._buffer: deque[EventBatch] = deque()
        self._ended: Exception | None = None
        self._woken = asyncio.Event()

    async def next(self) -> EventBatch:
        """What happens next. TooSlow, StreamClosed."""
        while self._ended is None:
            if self._buffer:
                return self._buffer.popleft()
            self._woken.clear()
            await self._woken.wait()
        raise self._ended

    def begin(self, told: EventBatch) -> None:
        """Tell this before what came in meanwhile."""
        self._buffer.appendleft(told)

    def publish(self, told: EventBatch) -> None:
        """Put into the buffer; a listener whose buffer is full is let go."""
        if len(self._buffer) >= _BUFFER:
            self.end(TooSlow())
        else:
            self._buffer.append(told)
        self._woken.set()

    def end(self, why: Exception) -> None:
        """Tell nothing more."""
        self._ended = self._ended or why
        self._buffer.clear()
        self._woken.set()


class EventStream:
    """Listeners come by `listen`; `close` ends all of them."""

    def __init__(self, jobs: JobRepository, queue: JobQueue, signals: JobSignals, clock: Clock) -> None:
        self._jobs = jobs
        self._queue = queue
        self._signals = signals
        self._clock = clock
        self._listeners: set[Subscriber] = set()
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Lock()
        self._log: _SeenLog | None = None
        self._depth: QueueDepth | None = None
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many listen right now."""
        return len(self._listeners)

    @asynccontextmanager
    async def listen(self, *, after: int | None = None) -> AsyncIterator[Subscriber]:
        """An ear for as long as the block lasts. `after`: from where on it was told before; what it missed since comes
        first, and an event may come twice. QueueUnavailable, StreamClosed."""
        if self._closed:
            raise StreamClosed
        listener = Subscriber()
        try:
            async with self._ready:
                log = await self._begin()
            if self._closed:  # meanwhile: nobody would ever end this one
                raise StreamClosed
            self._listeners.add(listener)
            first = EventBatch(resume=log.low) if after is None else await self._missed(after, log)
            depth = await self._queue.depth()
            self._depth = self._depth or depth
            listener.begin(msgspec.structs.replace(first, depth=depth))
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                await self._stop_reading()

    async def close(self) -> None:
        """Let every listener go; nobody is listened to any more."""
        self._closed = True
        for listener in self._listeners:
            listener.end(StreamClosed())
        await self._stop_reading()

    async def _begin(self) -> _SeenLog:
        if self._log is None:
            log = _SeenLog(max(await self._jobs.last_event() - _LOOK_BACK, 0))
            log.unseen(await self._jobs.events(after=log.low, limit=_BATCH), self._clock.monotonic())
            self._depth = None
            self._log, self._reading = log, asyncio.create_task(self._read(log))
        return self._log

    async def _stop_reading(self) -> None:
        reading, self._reading, self._log = self._reading, None, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _missed(self, after: int, log: _SeenLog) -> EventBatch:
        """Everything since, read for this listener alone."""
        low = log.low  # as it is before the reading: what is seen after it is still in the buffer, perhaps never told
        events = await self._jobs.events(after=after, limit=MAX_MISSED + 1)
        if len(events) > MAX_MISSED or after > await self._jobs.last_event():
            return EventBatch(resume=low, reset=True)
        return EventBatch(resume=low, events=tuple(events))

    async def _read(self, log: _SeenLog) -> None:
        with self._signals.any_change() as any_change:
            while True:
                try:
                    events = await self._jobs.events(after=log.low, limit=_BATCH)
                    depth = await self._queue.depth()
                except PhotoChangerError as error:
                    _log.warning("listeners are told nothing for now: %s", error.detail)
                    await self._clock.sleep(_OUTAGE_PAUSE)
                    continue
                except Exception:
                    # Whoever listens would hear heartbeats for ever and believe that nothing happens.
                    _log.exception("listeners are told nothing for now, after an unforeseen error")
                    await self._clock.sleep(_OUTAGE_PAUSE)
                    continue
                # Noted as seen only now that nothing can fail before it is told.
                self._tell(log.unseen(events, self._clock.monotonic()), depth, log)
                await any_change.wait(POLL)
                await self._clock.sleep(_PAUSE)  # on a busy evening many wake-ups are one reading

    def _tell(self, events: Collection[JobEvent], depth: QueueDepth, log: _SeenLog) -> None:
        changed = depth if depth != self._depth else None
        self._depth = depth
        if events or changed is not None:
            told = EventBatch(resume=log.low, events=tuple(events), depth=changed)
            for listener in tuple(self._listeners):
                listener.publish(told)


class _SeenLog:
    """Which ids were seen. `low`: every id up to it was seen, or will never be."""

    def __init__(self, low: int) -> None:
        self.low = low
        self._seen: dict[int, timedelta] = {}

    def unseen(self, events: Collection[JobEvent], now: timedelta) -> list[JobEvent]:
        """Those that are new, noted as seen."""
        new = [event for event in events if event.id not in self._seen]
        self._seen.update((event.id, now) for event in new)
        # Ids are given out in order: what is missing below one that was seen so long ago was never written.
        self._go_on(max((id for id, at in self._seen.items() if now - at >= GAP_LIFE), default=self.low))
        if len(self._seen) >= _MAX_ABOVE_A_GAP:
            self._go_on(min(self._seen))
        return new

    def _go_on(self, low: int) -> None:
        self.low = low
        while self.low + 1 in self._seen:
            self.low += 1
        self._seen = {id: at for id, at in self._seen.items() if id > self.low}
