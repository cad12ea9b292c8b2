"""The event stream: every subscriber gets every event, and a slow one holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from photochanger.adapters.memory import (
    FakeClock,
    MemoryAuditLog,
    MemoryDatabase,
    MemoryJobLog,
    MemoryJobQueue,
    MemoryJobSignals,
)
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import Job, JobEvent, LogEntry, LogEvent, QueueDepth
from photochanger.core.services.jobs import event_stream as event_stream
from photochanger.core.services.jobs.event_stream import (
    POLL,
    EventBatch,
    EventStream,
    StreamClosed,
    Subscriber,
    TooSlow,
)
from photochanger.core.services.support.concurrency import Supervisor

from tests.support.builders import new_job, outcome_succeeded

pytestmark = pytest.mark.anyio

SOON = timedelta(seconds=1)
OUTAGE = QueueUnavailable("The database cannot be reached right now.")


class Log(MemoryJobLog):
    """The job records, counting how often they are asked, with events that can be held back and an outage."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.asked = 0
        self.hidden: set[int] = set()
        self.error: Exception | None = None
        self.last_event_held: asyncio.Event | None = None

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        found = await super().events(after=after, limit=limit)
        return [event for event in found if event.id not in self.hidden]

    async def last_event(self) -> int:
        last = await super().last_event()
        if self.last_event_held is not None:
            await self.last_event_held.wait()
        return last


class Queue(MemoryJobQueue):
    """The queue, whose depth may raise an error."""

    depth_error: Exception | None = None

    async def depth(self) -> QueueDepth:
        if self.depth_error is not None:
            raise self.depth_error
        return await super().depth()


class Booth:
    """An event stream over memory, and jobs that cause events."""

    def __init__(self) -> None:
        self.clock = FakeClock(datetime.now(UTC))
        database = MemoryDatabase(self.clock)
        self.log = Log(database)
        self.queue = Queue(database, MemoryAuditLog())
        self.stream = EventStream(self.log, self.queue, MemoryJobSignals(database), self.clock, Supervisor())

    async def job(self) -> Job:
        """A job comes in."""
        now = self.clock.now()
        return await self.queue.enqueue(new_job(created_at=now), max_active=1000)

    async def finish(self, job: Job) -> None:
        """It ends."""
        assert await self.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)

    async def heard(self, subscriber: Subscriber, *, within: timedelta = SOON) -> list[EventBatch]:
        """Everything that the subscriber gets within that time."""
        await self.clock.advance(within)
        batches = []
        while subscriber._buffer:
            batches.append(await subscriber.next())
        return batches


@pytest.fixture
async def booth() -> AsyncIterator[Booth]:
    booth = Booth()
    yield booth
    await booth.stream.close()


def events_of(batches: list[EventBatch]) -> list[tuple[int, LogEvent]]:
    """The events in the order in which they were sent."""
    return [(event.id, event.entry.event) for one in batches for event in one.events]


async def test_a_subscriber_gets_events_and_the_queue_depth(booth: Booth) -> None:
    async with booth.stream.listen() as subscriber:
        first, *_ = await booth.heard(subscriber, within=timedelta(0))
        assert first.depth == QueueDepth(0, 0)
        job = await booth.job()
        batches = await booth.heard(subscriber)
        assert events_of(batches) == [(1, LogEvent.RECEIVED)]
        assert [one.depth.pending for one in batches if one.depth] == [1]
        await booth.finish(job)
        batches = await booth.heard(subscriber)
        assert events_of(batches) == [(2, LogEvent.FINALIZED)]
        assert batches[-1].depth == QueueDepth(0, 0)


async def test_events_without_a_wake_up_arrive_with_the_poll(booth: Booth) -> None:
    await booth.job()
    async with booth.stream.listen() as subscriber:
        await booth.heard(subscriber)
        await booth.queue.acquire("worker", n=1, lease=SOON)
        assert events_of(await booth.heard(subscriber, within=2 * POLL)) == [(2, LogEvent.ACQUIRED)]


async def test_one_reader_serves_many_subscribers(booth: Booth) -> None:
    async with booth.stream.listen() as first, booth.stream.listen() as second:
        assert booth.stream.subscribers == 2
        asked = booth.log.asked
        await booth.job()
        assert events_of(await booth.heard(first)) == [(1, LogEvent.RECEIVED)]
        once = booth.log.asked - asked
        assert events_of(await booth.heard(second, within=timedelta(0))) == [(1, LogEvent.RECEIVED)]
        assert booth.log.asked - asked == once


async def test_without_subscribers_nothing_is_read(booth: Booth) -> None:
    async with booth.stream.listen():
        await booth.clock.advance(SOON)
    asked = booth.log.asked
    await booth.job()
    await booth.clock.advance(10 * SOON)
    assert booth.log.asked == asked


async def test_a_subscriber_that_reconnects_gets_what_it_missed(booth: Booth) -> None:
    job = await booth.job()
    async with booth.stream.listen() as subscriber:
        batches, *_ = await booth.heard(subscriber, within=timedelta(0))
        resume = batches.resume
    await booth.finish(job)
    async with booth.stream.listen(after=resume) as subscriber:
        first, *_ = await booth.heard(subscriber)
        assert (2, LogEvent.FINALIZED) in events_of([first])
        assert not first.reset


async def test_an_event_that_appears_late_is_not_left_out_after_coming_back(booth: Booth) -> None:
    """Ids are given out before rows can be seen: the first appears after the second."""
    async with booth.stream.listen() as subscriber:
        await booth.heard(subscriber)
        booth.log.hidden = {1}
        await booth.job()
        await booth.job()
        batches = await booth.heard(subscriber)
        assert events_of(batches) == [(2, LogEvent.RECEIVED)]
        resume = batches[-1].resume
        booth.log.hidden = set()
        assert events_of(await booth.heard(subscriber)) == [(1, LogEvent.RECEIVED)]
    async with booth.stream.listen(after=resume) as again:
        assert {id for id, _ in events_of(await booth.heard(again))} >= {1, 2}


async def test_an_id_that_never_appears_is_waited_for_no_longer_than_a_statement_may_take(booth: Booth) -> None:
    async with booth.stream.listen() as subscriber:
        await booth.heard(subscriber)
        booth.log.hidden = {1}
        await booth.job()
        await booth.job()
        (before,) = {batches.resume for batches in await booth.heard(subscriber)}
        await booth.heard(subscriber, within=2 * event_stream.GAP_LIFE)
        await booth.job()
        batches = await booth.heard(subscriber)
        assert before == 0
        assert batches[-1].resume == 3


async def test_a_subscriber_that_missed_too_much_is_reset(booth: Booth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_MISSED", 2)
    for _ in range(3):
        await booth.job()
    async with booth.stream.listen(after=0) as subscriber:
        first, *_ = await booth.heard(subscriber)
    assert first.reset
    assert not first.events


async def test_an_unknown_id_resets_the_subscriber(booth: Booth) -> None:
    async with booth.stream.listen(after=10_000) as subscriber:
        first, *_ = await booth.heard(subscriber)
    assert first.reset


async def test_a_slow_subscriber_is_dropped_and_the_others_go_on(booth: Booth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "_BUFFER", 3)
    async with booth.stream.listen() as slow, booth.stream.listen() as quick:
        heard = 0
        for _ in range(6):
            await booth.job()
            heard += len(events_of(await booth.heard(quick)))
        assert heard == 6
        with pytest.raises(TooSlow):
            await slow.next()


async def test_an_outage_is_waited_out_and_nothing_is_lost(booth: Booth, caplog: pytest.LogCaptureFixture) -> None:
    async with booth.stream.listen() as subscriber:
        await booth.heard(subscriber)
        booth.log.error = OUTAGE
        await booth.job()
        assert events_of(await booth.heard(subscriber, within=5 * SOON)) == []
        assert "event stream paused" in caplog.text
        booth.log.error = None
        assert events_of(await booth.heard(subscriber, within=5 * SOON)) == [(1, LogEvent.RECEIVED)]


async def test_events_are_sent_although_reading_the_depth_failed_at_first(booth: Booth) -> None:
    async with booth.stream.listen() as subscriber:
        await booth.heard(subscriber)
        booth.queue.depth_error = OUTAGE
        await booth.job()
        assert events_of(await booth.heard(subscriber, within=5 * SOON)) == []
        booth.queue.depth_error = None
        assert events_of(await booth.heard(subscriber, within=5 * SOON)) == [(1, LogEvent.RECEIVED)]


async def test_who_comes_back_can_go_on_from_the_first_message_whatever_was_seen_meanwhile(booth: Booth) -> None:
    """What the others' reader sees while this subscriber is prepared comes with a later message, which may be lost."""
    async with booth.stream.listen() as other:
        await booth.heard(other)
        booth.log.last_event_held = asyncio.Event()
        listening = booth.stream.listen(after=0)
        coming = asyncio.ensure_future(listening.__aenter__())
        await booth.clock.advance(timedelta(0))
        await booth.job()
        assert events_of(await booth.heard(other)) == [(1, LogEvent.RECEIVED)]
        booth.log.last_event_held.set()
        subscriber = await coming
        first = await subscriber.next()
        assert (first.resume, first.events) == (0, ())
        assert events_of([await subscriber.next()]) == [(1, LogEvent.RECEIVED)]
        await listening.__aexit__(None, None, None)


async def test_ids_that_never_appear_are_given_up_together(booth: Booth) -> None:
    async with booth.stream.listen() as subscriber:
        booth.log.hidden = {1, 3, 5, 7, 9}
        for _ in range(10):
            await booth.job()
        await booth.heard(subscriber, within=event_stream.GAP_LIFE + SOON)
        await booth.job()
        assert (await booth.heard(subscriber))[-1].resume == 11


async def test_subscribing_while_the_stream_closes_does_not_hang(booth: Booth) -> None:
    booth.log.last_event_held = asyncio.Event()
    coming = asyncio.ensure_future(booth.stream.listen().__aenter__())
    await booth.clock.advance(timedelta(0))
    await booth.stream.close()
    booth.log.last_event_held.set()
    with pytest.raises(StreamClosed):
        await coming
    assert booth.stream.subscribers == 0


async def test_closing_ends_all_subscribers_and_accepts_no_more(booth: Booth) -> None:
    async with booth.stream.listen() as subscriber:
        await booth.stream.close()
        with pytest.raises(StreamClosed):
            await subscriber.next()
    with pytest.raises(StreamClosed):
        async with booth.stream.listen():
            raise AssertionError("a closed stream accepted a subscriber")


async def test_an_attempt_after_the_end_of_its_job_is_not_sent(booth: Booth) -> None:
    job = await booth.job()
    async with booth.stream.listen() as subscriber:
        first, *_ = await booth.heard(subscriber)
        await booth.finish(job)
        await booth.log.append([LogEntry(job.id, booth.clock.now(), LogEvent.ATTEMPT)])
        await booth.queue.abandon(job.id)
        batches = await booth.heard(subscriber)
        assert [event for _, event in events_of(batches)] == [LogEvent.FINALIZED, LogEvent.ABANDONED]
        await booth.job()
        assert (await booth.heard(subscriber))[-1].resume == await booth.log.last_event()  # its id is no gap
    async with booth.stream.listen(after=first.resume) as subscriber:
        missed, *_ = await booth.heard(subscriber)
        assert LogEvent.ATTEMPT not in {event for _, event in events_of([missed])}


async def test_an_attempt_that_becomes_visible_after_the_end_of_its_job_is_not_sent(booth: Booth) -> None:
    """Its id was assigned before that of the end, its row was committed after it."""
    job, other = await booth.job(), await booth.job()
    async with booth.stream.listen() as subscriber:
        await booth.heard(subscriber)
        booth.log.hidden = {3}
        await booth.log.append([LogEntry(job.id, booth.clock.now(), LogEvent.ATTEMPT)])
        await booth.finish(job)
        assert events_of(await booth.heard(subscriber)) == [(4, LogEvent.FINALIZED)]
        booth.log.hidden = set()
        await booth.log.append([LogEntry(other.id, booth.clock.now(), LogEvent.ATTEMPT)])
        batches = await booth.heard(subscriber)
        assert events_of(batches) == [(5, LogEvent.ATTEMPT)]
        assert batches[-1].resume == 5  # its id is no gap


async def test_a_subscriber_that_reconnects_gets_no_event_twice(booth: Booth) -> None:
    """What it missed may be above a gap, and be read again for all subscribers."""
    async with booth.stream.listen() as first:
        await booth.heard(first)
        booth.log.hidden = {2}
        job = await booth.job()
        await booth.log.append([LogEntry(job.id, booth.clock.now(), LogEvent.RELEASED)])
        await booth.log.append([LogEntry(job.id, booth.clock.now(), LogEvent.ATTEMPT)])
        await booth.finish(job)
        async with booth.stream.listen(after=0) as again:  # before the reader of all has seen them
            seen = events_of(await booth.heard(again))
        assert [id for id, _ in seen] == [1, 3, 4]
