"""What happens to jobs is told to everybody who listens: nothing left out, nobody held up by a slow one."""

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
from photochanger.core.domain.job import (
    Job,
    JobEvent,
    LogEvent,
    QueueDepth,
)
from photochanger.core.services.jobs import event_stream as event_feed
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
        self.trouble: Exception | None = None
        self.last_event_held: asyncio.Event | None = None

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        found = await super().events(after=after, limit=limit)
        return [event for event in found if event.id not in self.hidden]

    async def last_event(self) -> int:
        last = await super().last_event()
        if self.last_event_held is not None:
            await self.last_event_held.wait()
        return last


class Queue(MemoryJobQueue):
    """The queue, whose depth may be in trouble."""

    depth_trouble: Exception | None = None

    async def depth(self) -> QueueDepth:
        if self.depth_trouble is not None:
            raise self.depth_trouble
        return await super().depth()


class Booth:
    """A feed over memory, and the jobs that happen in it."""

    def __init__(self) -> None:
        self.clock = FakeClock(datetime.now(UTC))
        database = MemoryDatabase(self.clock)
        self.log = Log(database)
        self.queue = Queue(database, MemoryAuditLog())
        self.feed = EventStream(self.log, self.queue, MemoryJobSignals(database), self.clock, Supervisor())

    async def job(self) -> Job:
        """A job comes in."""
        now = self.clock.now()
        return await self.queue.enqueue(new_job(created_at=now), max_active=1000)

    async def finish(self, job: Job) -> None:
        """It ends."""
        assert await self.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)

    async def heard(self, listener: Subscriber, *, within: timedelta = SOON) -> list[EventBatch]:
        """Everything that the listener is told until then."""
        await self.clock.advance(within)
        told = []
        while listener._buffer:
            told.append(await listener.next())
        return told


@pytest.fixture
async def booth() -> AsyncIterator[Booth]:
    booth = Booth()
    yield booth
    await booth.feed.close()


def happened(told: list[EventBatch]) -> list[tuple[int, LogEvent]]:
    """The events in the order in which they were told."""
    return [(event.id, event.entry.event) for one in told for event in one.events]


async def test_a_listener_hears_what_happens_and_how_many_are_live(booth: Booth) -> None:
    async with booth.feed.listen() as listener:
        first, *_ = await booth.heard(listener, within=timedelta(0))
        assert first.depth == QueueDepth(0, 0)
        job = await booth.job()
        told = await booth.heard(listener)
        assert happened(told) == [(1, LogEvent.RECEIVED)]
        assert [one.depth.pending for one in told if one.depth] == [1]
        await booth.finish(job)
        told = await booth.heard(listener)
        assert happened(told) == [(2, LogEvent.FINALIZED)]
        assert told[-1].depth == QueueDepth(0, 0)


async def test_what_nobody_is_woken_for_is_heard_with_the_poll(booth: Booth) -> None:
    await booth.job()
    async with booth.feed.listen() as listener:
        await booth.heard(listener)
        await booth.queue.acquire("worker", n=1, lease=SOON)
        assert happened(await booth.heard(listener, within=2 * POLL)) == [(2, LogEvent.ACQUIRED)]


async def test_many_listeners_are_told_by_one_reader(booth: Booth) -> None:
    async with booth.feed.listen() as first, booth.feed.listen() as second:
        assert booth.feed.subscribers == 2
        asked = booth.log.asked
        await booth.job()
        assert happened(await booth.heard(first)) == [(1, LogEvent.RECEIVED)]
        once = booth.log.asked - asked
        assert happened(await booth.heard(second, within=timedelta(0))) == [(1, LogEvent.RECEIVED)]
        assert booth.log.asked - asked == once


async def test_nobody_reads_while_nobody_listens(booth: Booth) -> None:
    async with booth.feed.listen():
        await booth.clock.advance(SOON)
    asked = booth.log.asked
    await booth.job()
    await booth.clock.advance(10 * SOON)
    assert booth.log.asked == asked


async def test_who_was_away_is_told_what_was_missed(booth: Booth) -> None:
    job = await booth.job()
    async with booth.feed.listen() as listener:
        told, *_ = await booth.heard(listener, within=timedelta(0))
        resume = told.resume
    await booth.finish(job)
    async with booth.feed.listen(after=resume) as listener:
        first, *_ = await booth.heard(listener)
        assert (2, LogEvent.FINALIZED) in happened([first])
        assert not first.reset


async def test_an_event_that_appears_late_is_not_left_out_after_coming_back(booth: Booth) -> None:
    """Ids are given out before rows can be seen: the first appears after the second."""
    async with booth.feed.listen() as listener:
        await booth.heard(listener)
        booth.log.hidden = {1}
        await booth.job()
        await booth.job()
        told = await booth.heard(listener)
        assert happened(told) == [(2, LogEvent.RECEIVED)]
        resume = told[-1].resume
        booth.log.hidden = set()
        assert happened(await booth.heard(listener)) == [(1, LogEvent.RECEIVED)]
    async with booth.feed.listen(after=resume) as again:
        assert {id for id, _ in happened(await booth.heard(again))} >= {1, 2}


async def test_an_id_that_never_appears_is_waited_for_no_longer_than_a_statement_may_take(booth: Booth) -> None:
    async with booth.feed.listen() as listener:
        await booth.heard(listener)
        booth.log.hidden = {1}
        await booth.job()
        await booth.job()
        (before,) = {told.resume for told in await booth.heard(listener)}
        await booth.heard(listener, within=2 * event_feed.GAP_LIFE)
        await booth.job()
        told = await booth.heard(listener)
        assert before == 0
        assert told[-1].resume == 3


async def test_who_was_away_too_long_is_told_to_read_anew(booth: Booth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "MAX_MISSED", 2)
    for _ in range(3):
        await booth.job()
    async with booth.feed.listen(after=0) as listener:
        first, *_ = await booth.heard(listener)
    assert first.reset
    assert not first.events


async def test_an_id_from_elsewhere_means_reading_anew(booth: Booth) -> None:
    async with booth.feed.listen(after=10_000) as listener:
        first, *_ = await booth.heard(listener)
    assert first.reset


async def test_a_slow_listener_is_let_go_and_the_others_hear_on(booth: Booth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "_BUFFER", 3)
    async with booth.feed.listen() as slow, booth.feed.listen() as quick:
        heard = 0
        for _ in range(6):
            await booth.job()
            heard += len(happened(await booth.heard(quick)))
        assert heard == 6
        with pytest.raises(TooSlow):
            await slow.next()


async def test_an_outage_is_waited_out_and_nothing_is_lost(booth: Booth, caplog: pytest.LogCaptureFixture) -> None:
    async with booth.feed.listen() as listener:
        await booth.heard(listener)
        booth.log.trouble = OUTAGE
        await booth.job()
        assert happened(await booth.heard(listener, within=5 * SOON)) == []
        assert "event stream paused" in caplog.text
        booth.log.trouble = None
        assert happened(await booth.heard(listener, within=5 * SOON)) == [(1, LogEvent.RECEIVED)]


async def test_what_was_read_is_told_although_the_depth_could_not_be_read_at_first(booth: Booth) -> None:
    async with booth.feed.listen() as listener:
        await booth.heard(listener)
        booth.queue.depth_trouble = OUTAGE
        await booth.job()
        assert happened(await booth.heard(listener, within=5 * SOON)) == []
        booth.queue.depth_trouble = None
        assert happened(await booth.heard(listener, within=5 * SOON)) == [(1, LogEvent.RECEIVED)]


async def test_who_comes_back_can_go_on_from_the_first_message_whatever_was_seen_meanwhile(booth: Booth) -> None:
    """What the others' reader sees while this listener is prepared comes with a later message, which may be lost."""
    async with booth.feed.listen() as other:
        await booth.heard(other)
        booth.log.last_event_held = asyncio.Event()
        listening = booth.feed.listen(after=0)
        coming = asyncio.ensure_future(listening.__aenter__())
        await booth.clock.advance(timedelta(0))
        await booth.job()
        assert happened(await booth.heard(other)) == [(1, LogEvent.RECEIVED)]
        booth.log.last_event_held.set()
        listener = await coming
        first = await listener.next()
        assert (first.resume, first.events) == (0, ())
        assert happened([await listener.next()]) == [(1, LogEvent.RECEIVED)]
        await listening.__aexit__(None, None, None)


async def test_ids_that_never_appear_are_given_up_together(booth: Booth) -> None:
    async with booth.feed.listen() as listener:
        booth.log.hidden = {1, 3, 5, 7, 9}
        for _ in range(10):
            await booth.job()
        await booth.heard(listener, within=event_feed.GAP_LIFE + SOON)
        await booth.job()
        assert (await booth.heard(listener))[-1].resume == 11


async def test_who_comes_while_the_feed_closes_is_not_kept_waiting_for_ever(booth: Booth) -> None:
    booth.log.last_event_held = asyncio.Event()
    coming = asyncio.ensure_future(booth.feed.listen().__aenter__())
    await booth.clock.advance(timedelta(0))
    await booth.feed.close()
    booth.log.last_event_held.set()
    with pytest.raises(StreamClosed):
        await coming
    assert booth.feed.subscribers == 0


async def test_closing_ends_every_listener_and_takes_no_more(booth: Booth) -> None:
    async with booth.feed.listen() as listener:
        await booth.feed.close()
        with pytest.raises(StreamClosed):
            await listener.next()
    with pytest.raises(StreamClosed):
        async with booth.feed.listen():
            raise AssertionError("nobody listens to a feed that is closed")
