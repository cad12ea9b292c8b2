"""One key, one picture: retries with an Idempotency-Key wait for the late call of the first try."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import Job, JobState
from photochanger.core.domain.media import MediaKind
from photochanger.core.ports.provider import ProviderRequest, Rejected

from tests.support.world import SECOND, SLOT, ScriptedProvider, World, chunks, picture

pytestmark = pytest.mark.anyio

WINDOW = 48 * SECOND
LONG = timedelta(minutes=10)
LATE = picture("late")


class Booth:
    """A slot with late rescue whose provider answers after these durations, and a camera that sends with one key.

    `answer` is that of calls that take longer than the window.
    """

    def __init__(self, *seconds: float, answer: bytes | Exception = LATE) -> None:
        calls = [self._answer_after(one, answer if one * SECOND > WINDOW else LATE) for one in seconds]
        self.provider = ScriptedProvider("cloud", *calls)
        self.world = World(self.provider)
        self.working: list[asyncio.Task[None]] = []

    def _answer_after(self, seconds: float, answer: bytes | Exception) -> object:
        async def call(request: ProviderRequest) -> bytes:
            await self.world.clock.sleep(seconds * SECOND)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    async def send(self, *, key: str = "key", patience: timedelta | None = None) -> asyncio.Task[Job]:
        """Send the photo as the ingest request does: create, wait for the end. A worker is there."""

        async def ingest() -> Job:
            slot = await self.world.jobs.admit(SLOT)
            photo = await self.world.jobs.receive_photo(slot, chunks(picture()))
            job = await self.world.jobs.create(slot, photo, idempotency_key=key, patience=patience)
            return job if job.state.finalized else await self.world.jobs.wait(job.id, known=job)

        task = await self.world.start(ingest())
        await self.work()
        return task

    async def work(self) -> None:
        for claim in await self.world.queue.acquire("worker", n=10, lease=LONG):
            self.working.append(await self.world.start(self.world.processing.run(claim)))


async def opened(*seconds: float, answer: bytes | Exception = LATE) -> Booth:
    booth = Booth(*seconds, answer=answer)
    await booth.world.slot("cloud", late_rescue=True)
    return booth


async def test_a_retry_while_the_late_call_runs_gets_its_picture() -> None:
    booth = await opened(60)
    first = await booth.send()
    ended = await booth.world.end(first, within=WINDOW)
    assert (ended.state, ended.result) == (JobState.TIMED_OUT, None)
    second = await booth.send()
    await booth.world.clock.advance(11 * SECOND)
    assert not second.done()
    answered = await booth.world.end(second, within=SECOND)
    assert (answered.id, answered.result is not None) == (ended.id, True)
    third = await booth.world.end(await booth.send())
    assert third == answered
    assert len(booth.provider.calls) == 1
    assert await booth.world.files(MediaKind.PAYLOADS) == []


async def test_six_tries_of_a_slow_provider_cost_one_picture() -> None:
    booth = await opened(100)
    answers = [await booth.world.end(await booth.send(), within=WINDOW) for _ in range(6)]
    assert [answer.result is not None for answer in answers] == [False, False, True, True, True, True]
    assert len({answer.id for answer in answers}) == len(booth.provider.calls) == 1


async def test_a_late_call_that_fails_gives_the_retry_a_job_for_the_rest_of_its_window() -> None:
    booth = await opened(1, 1, 1, 1, 60, answer=Rejected("blocked"))
    for number in range(4):  # such calls are usually quick
        await booth.world.end(await booth.send(key=f"earlier {number}"), within=2 * SECOND)
    first = await booth.world.end(await booth.send(), within=WINDOW)
    second = await booth.send()
    await booth.world.clock.advance(12 * SECOND)  # the call has failed
    assert not second.done()
    await booth.work()
    answered = await booth.world.end(second, within=SECOND)
    assert (answered.id == first.id, answered.state) == (False, JobState.SUCCEEDED)
    assert answered.expires_at == first.expires_at + WINDOW
    assert len(booth.provider.calls) == 6


async def test_a_late_call_that_fails_leads_to_no_call_that_could_not_end_in_time() -> None:
    booth = await opened(60, answer=Rejected("blocked"))
    first = await booth.world.end(await booth.send(), within=WINDOW)
    second = await booth.send()
    await booth.world.clock.advance(12 * SECOND)
    await booth.work()
    answered = await booth.world.end(second, within=SECOND)
    assert (answered.id == first.id, answered.state) == (False, JobState.TIMED_OUT)
    assert len(booth.provider.calls) == 1


async def test_a_worker_that_stops_gives_the_key_back_at_once() -> None:
    booth = await opened(100)
    await booth.world.end(await booth.send(), within=WINDOW)
    second = await booth.send()
    await booth.world.run(booth.world.processing.close(), within=SECOND)
    await booth.work()
    answered = await booth.world.end(second, within=SECOND)
    assert answered.state is JobState.SUCCEEDED


async def test_a_retry_waits_no_longer_than_its_window_and_no_longer_than_it_likes() -> None:
    booth = await opened(107)
    first = await booth.world.end(await booth.send(), within=WINDOW)
    hasty = await booth.world.end(await booth.send(patience=timedelta(0)))
    assert hasty.may_get_late_picture(booth.world.clock.now())
    second = await booth.send()
    await booth.world.clock.advance(WINDOW - SECOND)
    assert not second.done()
    assert (await booth.world.end(second, within=SECOND)).id == hasty.id == first.id
    assert await booth.world.files(MediaKind.PAYLOADS) == []


async def test_a_retry_waits_through_an_outage_of_the_database() -> None:
    booth = await opened(60)
    await booth.world.end(await booth.send(), within=WINDOW)
    second = await booth.send()
    outage = QueueUnavailable("away")
    booth.world.records.faults["get"] = booth.world.queue.faults["rescue"] = outage
    booth.world.queue.faults["keep_late_call"] = outage
    await booth.world.clock.advance(13 * SECOND)
    for port in (booth.world.records, booth.world.queue):
        port.faults.clear()
    assert (await booth.world.end(second, within=2 * SECOND)).result is not None
    assert len(booth.provider.calls) == 1


async def test_a_picture_that_loses_the_race_with_the_deadline_is_a_late_picture() -> None:
    booth = await opened(47)
    finalize = booth.world.queue.mark_finalized

    async def slowly(*args: object, **options: object) -> object:
        if options["claim"] is not None:
            await booth.world.clock.sleep(5 * SECOND)
        return await finalize(*args, **options)

    booth.world.queue.mark_finalized = slowly
    first = await booth.world.end(await booth.send(), within=WINDOW)
    assert first.result is None
    second = await booth.world.end(await booth.send(), within=10 * SECOND)
    assert (second.id, second.result is not None) == (first.id, True)
    assert len(booth.provider.calls) == 1


@pytest.mark.parametrize("readable", [True, False], ids=["", "and the job cannot be read"])
async def test_work_that_is_cancelled_while_its_end_is_stored_keeps_the_picture_of_the_job(readable: bool) -> None:
    booth = await opened(5)
    finalize = booth.world.queue.mark_finalized

    async def finalize_and_lose_the_lease(*args: object, **options: object) -> object:
        finalized = await finalize(*args, **options)
        if not readable:
            booth.world.records.faults["get"] = QueueUnavailable("away")
        booth.working[0].cancel()
        return finalized

    booth.world.queue.mark_finalized = finalize_and_lose_the_lease
    answer = await booth.send()
    await booth.world.clock.advance(6 * SECOND)
    booth.world.records.faults.clear()
    await booth.world.clock.advance(2 * SECOND)
    job = await booth.world.end(answer, within=SECOND)
    assert job.result is not None
    assert str(job.result.file.key) in await booth.world.files(MediaKind.RESULTS)
