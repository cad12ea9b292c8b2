"""What whoever submits and waits sees: photos taken in or refused, jobs made or joined, waits that end in time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import pytest
from photochanger.core.deadlines import ORPHAN_GRACE
from photochanger.core.errors import (
    ImageTooLarge,
    JobNotFound,
    QueueFull,
    QueueUnavailable,
    SlotDisabled,
    SlotNotFound,
    StorageUnavailable,
    UndecodableImage,
    UnsupportedMediaType,
)
from photochanger.core.jobs import Job, JobFilter, JobOrder, JobSource, JobState, LogEvent
from photochanger.core.media import MediaKind
from photochanger.core.ports.providers import Rejected
from photochanger.core.settings import AppSettings
from photochanger.core.slots import FailureAnswer
from world import SECOND, SLOT, ScriptedProvider, World, chunks, picture

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=48)
MILLISECOND = timedelta(milliseconds=1)


class SilentSignals:
    """JobSignals over a broken line: nobody is ever woken."""

    def __init__(self) -> None:
        self.world: World | None = None

    def work(self) -> SilentSignals:
        return self

    def finalized(self, job_id: UUID) -> SilentSignals:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was held."""

    async def wait(self, timeout: timedelta) -> bool:
        assert self.world is not None
        await self.world.clock.sleep(timeout)
        return False


def silent_world() -> World:
    signals = SilentSignals()
    signals.world = World(signals=signals)
    return signals.world


# Who may come in


async def test_a_slot_that_is_off_or_unknown_or_without_a_route_takes_nothing() -> None:
    world = World()
    await world.slot(id="slot-002", active=False)
    bare = await world.slot(id="slot-003")
    await world.slots.save(
        type(bare)(bare.id, bare.name, True, type(bare.route)(entries=())), expected_version=bare.version
    )
    with pytest.raises(SlotNotFound):
        await world.submit(slot_id="slot-016")
    for slot_id in ("slot-002", "slot-003"):
        with pytest.raises(SlotDisabled):
            await world.submit(slot_id=slot_id)
    assert await world.files() == []


# Jobs made and joined


async def test_a_job_says_where_it_came_from() -> None:
    world = World()
    slot = await world.slot()
    assert (await world.submit()).source is JobSource.LIBRARY
    photo = await world.jobs.receive_photo(slot, chunks(picture()))
    assert (await world.jobs.create(slot, photo)).source is JobSource.INGEST


async def test_the_links_of_two_jobs_differ() -> None:
    world = World()
    await world.slot()
    assert (await world.submit()).access_token != (await world.submit()).access_token


async def test_the_same_key_on_the_same_slot_joins_and_the_second_photo_is_removed() -> None:
    world = World()
    await world.slot()
    await world.slot(id="slot-002")
    first = await world.submit(idempotency_key="k")
    joined = await world.submit(picture("another try"), idempotency_key="k")
    assert joined == first
    assert await world.files() == [str(first.photo.file.key)]
    assert (await world.submit(idempotency_key="other")).id != first.id
    assert (await world.submit(idempotency_key="k", slot_id="slot-002")).id != first.id
    assert (await world.submit()).id != first.id


async def test_the_same_key_finds_the_finished_picture_until_it_is_purged() -> None:
    world = World(settings=AppSettings(result_retention=timedelta(hours=1)))
    await world.slot()
    first = await world.submit(idempotency_key="k")
    done = await world.work()
    assert await world.submit(idempotency_key="k") == done
    assert done.id == first.id
    await world.clock.advance(timedelta(hours=1))
    await world.sweeper.sweep_expired()
    assert (await world.submit(idempotency_key="k")).id != first.id


async def test_the_same_key_makes_a_new_job_after_a_failure() -> None:
    world = World(ScriptedProvider("cloud", Rejected("no")))
    await world.slot("cloud")
    first = await world.submit(idempotency_key="k")
    assert (await world.work()).state is JobState.FAILED
    assert (await world.submit(idempotency_key="k")).id != first.id


async def test_a_photo_sent_again_joins_the_job_whose_client_hung_up() -> None:
    world = World(settings=AppSettings(max_active_jobs=1))
    await world.slot()
    ghost = await world.submit()
    await world.jobs.abandon(ghost.id)
    again = await world.submit()
    assert again.id == ghost.id
    assert await world.files() == [str(ghost.photo.file.key)]
    assert len(await world.log(ghost, LogEvent.JOINED)) == 1
    with pytest.raises(QueueFull):
        await world.submit()  # it has a client again: a further one is another guest


async def test_a_photo_sent_again_gets_the_picture_that_was_finished_meanwhile_but_only_before_the_deadline() -> None:
    world = World()
    await world.slot()
    ghost = await world.submit()
    await world.jobs.abandon(ghost.id)
    done = await world.work(within=SECOND)
    assert (await world.submit()).result == done.result
    await world.jobs.abandon(ghost.id)
    await world.clock.advance(WINDOW)
    assert (await world.submit()).id != ghost.id


async def test_a_full_queue_refuses_and_the_photo_is_removed() -> None:
    world = World(settings=AppSettings(max_active_jobs=1))
    await world.slot()
    first = await world.submit()
    with pytest.raises(QueueFull) as refused:
        await world.submit(picture("second"))
    assert refused.value.retry_after == 48
    assert await world.files() == [str(first.photo.file.key)]


async def test_a_queue_that_is_away_refuses_and_the_photo_is_removed() -> None:
    world = World()
    await world.slot()
    world.queue.trouble["enqueue"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.submit()
    assert await world.files() == []


# Waiting


async def test_a_waiter_is_woken_at_once() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    await world.end(await world.start_work())
    assert (await world.end(waiting)).state is JobState.SUCCEEDED  # no time has passed


async def test_waiting_for_a_job_that_has_ended_returns_at_once() -> None:
    world = World()
    await world.slot()
    await world.submit()
    job = await world.work()
    assert await world.run(world.jobs.wait(job.id)) == job


async def test_a_waiter_looks_for_itself_when_wake_ups_are_lost() -> None:
    world = silent_world()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    await world.clock.advance(SECOND / 2)
    await world.end(await world.start_work())
    assert not waiting.done()
    assert (await world.end(waiting, within=SECOND / 2)).state is JobState.SUCCEEDED


async def test_without_any_wake_up_the_deadline_still_holds() -> None:
    world = silent_world()
    await world.slot()
    job = await world.submit()
    assert (await world.run(world.jobs.wait(job.id), within=WINDOW)).state is JobState.TIMED_OUT


async def test_a_shorter_wait_returns_the_live_job_and_leaves_it_alone() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id, until=job.created_at + 5 * SECOND))
    await world.clock.advance(5 * SECOND - MILLISECOND)
    assert not waiting.done()
    assert await world.end(waiting, within=MILLISECOND) == job
    assert (await world.work()).state is JobState.SUCCEEDED


async def test_a_wait_that_has_no_time_at_all_looks_once() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    assert await world.run(world.jobs.wait(job.id, until=job.created_at)) == job


async def test_a_longer_wait_than_the_window_ends_with_the_window() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    ended = await world.run(world.jobs.wait(job.id, until=job.expires_at + WINDOW), within=WINDOW)
    assert ended.state is JobState.TIMED_OUT


async def test_a_waiter_keeps_waiting_while_the_queue_is_away() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    world.records.trouble["get"] = QueueUnavailable("away")
    await world.clock.advance(10 * SECOND)
    assert not waiting.done()
    world.records.trouble.clear()
    await world.work()
    assert (await world.end(waiting, within=SECOND)).state is JobState.SUCCEEDED


async def test_a_waiter_is_told_at_the_deadline_that_the_queue_is_away() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    world.records.trouble["*"] = world.queue.trouble["*"] = QueueUnavailable("away")
    await world.clock.advance(WINDOW - MILLISECOND)
    assert not waiting.done()
    with pytest.raises(QueueUnavailable):
        await world.end(waiting, within=MILLISECOND)


async def test_with_a_failure_answer_the_waiter_is_told_at_the_deadline_too() -> None:
    world = World()
    await world.slot(failure_answer=FailureAnswer.ORIGINAL)
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    world.records.trouble["*"] = world.queue.trouble["*"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.end(waiting, within=WINDOW + SECOND)
    assert (await world.files(MediaKind.RESULTS)) != []  # unknown whether a job owns it: the sweeper finds out
    world.records.trouble.clear()
    world.queue.trouble.clear()
    await world.clock.advance(ORPHAN_GRACE)
    await world.sweeper.sweep_expired()
    await world.clock.advance(SECOND)
    await world.sweeper.sweep_orphans()
    assert await world.files() == []


async def test_a_waiter_who_was_told_the_job_looks_soon_in_case_the_wake_up_came_before_him() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.run(world.processing.run(await world.claim()))
    ended = await world.run(world.jobs.wait(job.id, known=job), within=timedelta(milliseconds=50))
    assert ended.state is JobState.SUCCEEDED


async def test_a_waiter_who_was_told_the_job_leaves_the_database_to_the_worker() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id, known=job))
    assert "get" not in world.records.calls
    await world.run(world.processing.run(await world.claim()))
    assert (await world.end(waiting)).state is JobState.SUCCEEDED


async def test_a_look_at_the_job_that_the_deadline_cuts_off_is_the_end_of_the_window_and_no_outage() -> None:
    world = World()
    await world.slot("cloud")
    job = await world.submit()
    read = world.records.inner.get

    async def slowly(job_id: UUID) -> Job:
        if world.clock.now() >= job.created_at + 47 * SECOND and world.clock.now() < job.expires_at:
            await world.clock.sleep(2 * SECOND)
        return await read(job_id)

    world.records.inner.get = slowly
    ended = await world.run(world.jobs.wait(job.id), within=WINDOW)
    assert (ended.state, ended.finalized_at) == (JobState.TIMED_OUT, job.expires_at)


async def test_a_queue_that_hangs_at_the_deadline_holds_nobody_and_the_job_still_ends() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    finalize, answers = world.queue.inner.mark_finalized, asyncio.Event()

    async def hang(*args: object, **kwargs: object) -> bool:
        await answers.wait()
        return bool(await finalize(*args, **kwargs))

    world.queue.mark_finalized = hang
    await world.clock.advance(WINDOW)
    assert not waiting.done()
    with pytest.raises(QueueUnavailable):
        await world.end(waiting, within=SECOND)
    answers.set()
    await world.clock.advance(MILLISECOND)
    assert (await world.jobs.get(job.id)).state is JobState.TIMED_OUT
    assert await world.files() == []


async def test_many_waiters_at_the_deadline_get_the_same_answer() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = [await world.start(world.jobs.wait(job.id)) for _ in range(5)]
    await world.clock.advance(WINDOW)
    stored = await world.jobs.get(job.id)
    assert [await world.end(task) for task in waiting] == [stored] * 5
    assert len(await world.log(job, LogEvent.FINALIZED)) == 1


async def test_a_waiter_that_is_cancelled_at_the_deadline_leaves_no_half_ended_job() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    waiting = await world.start(world.jobs.wait(job.id))
    finalize = world.queue.inner.mark_finalized

    async def hang_up_meanwhile(*args: object, **kwargs: object) -> bool:
        waiting.cancel()
        await asyncio.sleep(0)
        return bool(await finalize(*args, **kwargs))

    world.queue.mark_finalized = hang_up_meanwhile
    with pytest.raises(asyncio.CancelledError):
        await world.end(waiting, within=WINDOW)
    assert (await world.jobs.get(job.id)).state is JobState.TIMED_OUT
    assert await world.files() == []


async def test_there_is_no_waiting_for_a_job_that_does_not_exist() -> None:
    world = World()
    for call in (world.jobs.wait, world.jobs.get, world.jobs.cancel):
        with pytest.raises(JobNotFound):
            await world.run(call(uuid4()))


# Pictures on their way to a result


async def test_a_picture_that_is_none_leaves_no_file() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    for data, error in (
        (b"{}", UnsupportedMediaType),
        (picture("torn"), UndecodableImage),
        (picture(width=10**5, height=10**5), ImageTooLarge),
    ):
        with pytest.raises(error):
            await world.jobs.store_picture(job, data, limits=world.providers.limits)
    assert await world.files(MediaKind.RESULTS) == []


async def test_a_picture_that_cannot_be_stored_is_said_although_it_is_one() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    world.store.trouble["put"] = StorageUnavailable("full")
    with pytest.raises(StorageUnavailable):
        await world.jobs.store_picture(job, picture(), limits=world.providers.limits)


# Cancelling


async def test_whoever_cancels_a_job_that_ends_at_that_moment_is_told_so() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    cancelling = [asyncio.ensure_future(world.jobs.cancel(job.id)) for _ in range(3)]
    await world.clock.advance(timedelta(0))
    ends = await asyncio.gather(*cancelling, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Job", "JobFinalized", "JobFinalized"]
    assert (await world.jobs.get(job.id)).state is JobState.CANCELLED
    assert len(await world.log(job, LogEvent.FINALIZED)) == 1


# Lists and logs


async def test_jobs_are_found_page_by_page() -> None:
    world = World()
    await world.slot()
    await world.slot(id="slot-002")
    made = []
    for number in range(5):
        made.append((await world.submit(picture(str(number)))).id)
        await world.clock.advance(SECOND)
    await world.submit(picture("other"), slot_id="slot-002")
    wanted = JobFilter(slot_id=SLOT)
    first = await world.jobs.find(wanted, limit=3)
    rest = await world.jobs.find(wanted, limit=3, after=first.next)
    assert [job.id for job in first.items + rest.items] == made[::-1]
    assert rest.next is None
    oldest = await world.jobs.find(wanted, order=JobOrder.OLDEST, limit=2)
    assert [job.id for job in oldest.items] == made[:2]


async def test_the_log_of_a_job_tells_its_life_and_there_is_none_of_no_job() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.work()
    events = [entry.event for entry in await world.jobs.logs(job.id)]
    assert events[:2] == [LogEvent.RECEIVED, LogEvent.ACQUIRED]
    assert {LogEvent.ATTEMPT, LogEvent.FINALIZED} == {*events[2:]}
    with pytest.raises(JobNotFound):
        await world.jobs.logs(uuid4())


# The gallery of a slot


async def test_guests_see_the_pictures_of_guests_page_by_page_and_no_test_runs() -> None:
    world = World(settings=AppSettings(result_retention=timedelta(hours=1)))
    slot = await world.slot()
    await world.slot(id="slot-002")
    made = []
    for number, source in enumerate([JobSource.INGEST, JobSource.TEST, JobSource.LIBRARY, JobSource.INGEST]):
        await world.submit(picture(str(number)), source=source)
        made.append((await world.work(within=timedelta(0))).id)
    await world.submit(slot_id="slot-002")
    await world.work(within=timedelta(0))
    first = await world.jobs.gallery(slot, limit=2)
    rest = await world.jobs.gallery(slot, limit=2, after=first.next)
    assert [job.id for job in first.items] == [made[3], made[2]]
    assert [job.id for job in rest.items] == [made[0]]
    assert rest.next is None
    assert (await world.jobs.gallery(slot, limit=3)).next is None
    await world.clock.advance(timedelta(hours=1))
    assert (await world.jobs.gallery(slot, limit=2)).items == ()


async def test_the_newest_ten_results_of_a_slot_are_shown_while_they_last() -> None:
    world = World(settings=AppSettings(result_retention=timedelta(hours=1)))
    await world.slot()
    await world.slot(id="slot-002")
    made = []
    for number in range(12):
        await world.submit(picture(str(number)))
        made.append((await world.work(within=timedelta(0))).id)
    await world.submit(slot_id="slot-002")
    await world.work(within=timedelta(0))
    assert [job.id for job in await world.jobs.refresh_recent_results(SLOT)] == made[:1:-1]
    await world.clock.advance(timedelta(hours=1) - 13 * SECOND + 5.5 * SECOND)  # one ended each second
    assert [job.id for job in await world.jobs.refresh_recent_results(SLOT)] == made[:5:-1]
    await world.clock.advance(timedelta(hours=1))
    assert await world.jobs.refresh_recent_results(SLOT) == []
