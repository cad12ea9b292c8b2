"""Overload: far more photos than the workers can make, on the real services over a clock that does not wait."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from photochanger.core.domain.errors import MediaNotFound, QueueFull
from photochanger.core.domain.job import Job, JobSource, JobState
from photochanger.core.domain.settings import AppSettings
from photochanger.core.domain.trace_context import Refusal
from photochanger.core.domain.worker import WorkerReport
from photochanger.core.ports.provider import ProviderRequest, ProviderResult
from photochanger.entrypoints.worker.pool import PoolOptions, WorkerPool

from tests.support.world import SECOND, SLOT, ScriptedProvider, World, chunks, picture

pytestmark = pytest.mark.anyio

WORKERS = 4
CALL = 10 * SECOND
CAPACITY = WORKERS / CALL.total_seconds()
"""Photos per second."""


class Studio:
    """A service at work, the photos that it was sent, and what became of each.

    `call` is how long a call to the provider `cloud` takes now.
    """

    def __init__(
        self,
        *others: ScriptedProvider,
        permits: int | None = None,
        workers: int = WORKERS,
        spread: float = 0,
        max_active: int = 1000,
    ) -> None:
        self.call = CALL
        self.spread = spread
        self.chance = random.Random(1)
        self.provider = SlowProvider(self, permits=permits)
        self.world = World(self.provider, *others, settings=AppSettings(max_active_jobs=max_active))
        self.workers = workers
        self.pictures: list[tuple[float, Job]] = []
        self.failures: list[tuple[float, Job]] = []
        self.refusals: list[tuple[float, int]] = []
        self.refused_slots: list[str] = []
        self.came: dict[UUID, float] = {}
        self.admitted: list[float] = []
        self._guests: set[asyncio.Task[None]] = set()
        self._sent = 0

    def counted(self) -> list[object]:
        """The reasons of the refusals in the metrics."""
        return [fields["reason"] for fields in self.world.telemetry.of("photo_refused")]

    @property
    def now(self) -> float:
        return self.world.clock.monotonic().total_seconds()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Studio]:
        world = self.world
        pool = WorkerPool(
            completion=world.completion,
            queue=world.queue,
            signals=world.signals,
            processing=world.processing,
            acquisition=world.acquisition,
            options=PoolOptions(concurrency=self.workers, lease=timedelta(hours=1)),
        )
        await self._beat()
        running = asyncio.ensure_future(pool.run())
        try:
            yield self
        finally:
            for task in (running, *self._guests):
                task.cancel()
            await asyncio.gather(running, *self._guests, return_exceptions=True)

    def after(self, duration: timedelta) -> Callable[[ProviderRequest], Awaitable[bytes]]:
        """A call that takes this long."""

        async def made(request: ProviderRequest) -> bytes:
            await self.world.clock.sleep(duration)
            return picture("made")

        return made

    async def crowd(self, rate: float, *, seconds: float, slots: Sequence[str] = (SLOT,)) -> None:
        """Guests that come at this rate per second, to each of the slots in turn."""
        due = until = self.now
        until += seconds
        while due < until:
            await self.until(due)
            self._sent += 1
            self._guests.add(asyncio.ensure_future(self._guest(self._sent, slots[self._sent % len(slots)])))
            due += 1 / rate

    async def until(self, moment: float) -> None:
        """Let time pass until a moment, with the heartbeats of the workers on the way."""
        while self.now < moment:
            await self._beat()
            await self.world.clock.advance(min(SECOND, timedelta(seconds=moment - self.now + 1e-6)))

    async def rest(self) -> None:
        """Let time pass until every guest has an answer."""
        while not all(guest.done() for guest in self._guests):
            await self.until(self.now + 1)

    async def _beat(self) -> None:
        report = WorkerReport(
            name="worker", host="host", pid=1, concurrency=self.workers, running=self.workers, version="1"
        )
        await self.world.workers.heartbeat(report)

    async def _guest(self, number: int, slot_id: str) -> None:
        came = self.now
        try:
            job = await self.world.submit(picture(f"photo {number}"), slot_id=slot_id)
        except QueueFull as error:
            self.refusals.append((came, error.retry_after))
            self.refused_slots.append(slot_id)
            return
        self.admitted.append(came)
        self.came[job.id] = came
        ended = await self.world.jobs.wait(job.id, known=job)
        (self.pictures if ended.state is JobState.SUCCEEDED else self.failures).append((self.now, ended))

    # What came of it

    def pictures_between(self, start: float, end: float, *, by: str | None = None) -> int:
        """How many pictures were made in this time, by this provider where it matters."""
        return sum(start < at <= end and by in (None, job.provider_id) for at, job in self.pictures)

    @property
    def useless_calls(self) -> int:
        """Calls to the provider that gave nobody a picture."""
        return len(self.provider.calls) - sum(job.provider_id == "cloud" for _, job in self.pictures)

    def wrong_promises(self, *, since: float = 0) -> list[tuple[float, int, float, float]]:
        """Refusals whose `Retry-After` was not within 30 % of when a place was free, beyond the whole seconds.

        A place was free between the last photo that was refused and the next one that was admitted.
        """
        wrong = []
        for came, promised in self.refusals:
            taken = next((moment for moment in self.admitted if moment > came), None)
            if taken is None or came < since:
                continue
            refused = max(moment for moment, _ in self.refusals if moment < taken)
            if not (refused - came) * 0.7 - 1 <= promised <= (taken - came) * 1.3 + 1:
                wrong.append((came, promised, refused - came, taken - came))
        return wrong


class SlowProvider(ScriptedProvider):
    """The provider `cloud`: each call takes as long as the studio says when it begins."""

    def __init__(self, studio: Studio, *, permits: int | None) -> None:
        super().__init__("cloud", max_concurrent=permits)
        self._studio = studio

    async def process(self, request: ProviderRequest) -> ProviderResult:
        self.calls.append(request)
        studio = self._studio
        await studio.world.clock.sleep(studio.call * studio.chance.uniform(1 - studio.spread, 1 + studio.spread))
        return ProviderResult(self.made(request))


@pytest.mark.parametrize(("load", "seconds"), [(1.2, 320), (2, 160), (5, 160)])
async def test_overload_costs_no_picture_and_no_call(load: float, seconds: int) -> None:
    async with Studio().open() as studio:
        await studio.world.slot("cloud")
        await studio.crowd(load * CAPACITY, seconds=seconds)
        await studio.rest()
    assert studio.pictures_between(10, seconds) >= 0.95 * CAPACITY * (seconds - 10)
    assert studio.useless_calls == 0
    assert studio.failures == []
    assert studio.refusals
    assert studio.wrong_promises() == []


async def test_calls_of_very_different_durations_cost_few_pictures() -> None:
    async with Studio(spread=0.4).open() as studio:
        await studio.world.slot("cloud")
        await studio.crowd(2 * CAPACITY, seconds=320)
        await studio.rest()
    assert studio.pictures_between(10, 320) >= 0.95 * CAPACITY * 310
    assert studio.useless_calls <= 3


async def test_a_provider_that_becomes_three_times_slower_is_noticed() -> None:
    async with Studio().open() as studio:
        await studio.world.slot("cloud")
        await studio.crowd(2 * CAPACITY, seconds=120)
        studio.call = 3 * CALL
        await studio.crowd(2 * CAPACITY, seconds=120)
        useless, settled = studio.useless_calls - WORKERS, studio.now
        await studio.crowd(2 * CAPACITY, seconds=240)
        made, useless_later = studio.pictures_between(settled, settled + 240), studio.useless_calls
        await studio.rest()
        print(made, useless, useless_later, studio.useless_calls)
    assert made >= 0.95 * CAPACITY / 3 * 240 - 1
    assert useless <= 3 * WORKERS
    assert studio.useless_calls <= useless + 1


async def test_a_provider_that_becomes_three_times_faster_is_noticed() -> None:
    async with Studio().open() as studio:
        await studio.world.slot("cloud")
        studio.call = 3 * CALL
        await studio.crowd(2 * CAPACITY, seconds=240)
        studio.call = CALL
        await studio.crowd(2 * CAPACITY, seconds=60)
        settled = studio.now
        await studio.crowd(2 * CAPACITY, seconds=160)
        await studio.rest()
    assert studio.pictures_between(settled, settled + 160) >= 0.95 * CAPACITY * 160
    assert studio.useless_calls == 0


async def test_a_provider_that_was_slower_than_the_window_is_tried_again() -> None:
    async with Studio().open() as studio:
        await studio.world.slot("cloud")
        studio.call = 10 * CALL
        await studio.crowd(2 * CAPACITY, seconds=240)
        studio.call = CALL
        await studio.crowd(2 * CAPACITY, seconds=120)
        settled = studio.now
        await studio.crowd(2 * CAPACITY, seconds=160)
        await studio.rest()
    assert studio.pictures_between(settled, settled + 160) >= 0.95 * CAPACITY * 160


async def test_a_free_fallback_is_used_early_instead_of_refusing() -> None:
    async with Studio().open() as studio:
        await studio.world.slot("cloud", "local")
        await studio.crowd(2 * CAPACITY, seconds=320)
        await studio.rest()
    assert studio.refusals == []
    assert studio.failures == []
    assert studio.pictures_between(10, 320, by="cloud") >= 0.95 * CAPACITY * 310
    assert studio.useless_calls == 0
    waits = [at - studio.came[job.id] for at, job in studio.pictures if job.provider_id == "local"]
    assert len(waits) > 50
    assert max(waits) < 2


async def test_a_provider_at_its_limit_is_overloaded_while_workers_are_free() -> None:
    async with Studio(permits=WORKERS, workers=3 * WORKERS).open() as studio:
        await studio.world.slot("cloud")
        await studio.world.slot("cloud", "local", id="slot-002")
        await studio.world.slot("local", id="slot-003")
        await studio.crowd(3 * CAPACITY, seconds=160, slots=("slot-001", "slot-002", "slot-003"))
        await studio.rest()
    assert studio.failures == []
    assert studio.pictures_between(10, 160, by="cloud") >= 0.95 * CAPACITY * 150
    assert studio.useless_calls == 0
    assert set(studio.refused_slots) <= {"slot-001"}
    assert studio.wrong_promises() == []


async def test_quick_and_slow_slots_share_the_workers() -> None:
    """A photo of each kind keeps a worker for 12 s: one in three seconds is all that four workers can make."""
    quick = ScriptedProvider("quick")
    async with Studio(quick).open() as studio:
        quick.script.extend([studio.after(2 * SECOND)] * 1000)
        await studio.world.slot("cloud")
        await studio.world.slot("quick", id="slot-002")
        await studio.crowd(4 * WORKERS / 12, seconds=320, slots=("slot-001", "slot-002"))
        await studio.rest()
    seconds = 10 * studio.pictures_between(10, 320, by="cloud") + 2 * studio.pictures_between(10, 320, by="quick")
    assert seconds >= 0.95 * WORKERS * 310
    assert studio.useless_calls == 0
    assert studio.failures == []


async def test_the_first_photos_of_the_first_evening_are_not_refused() -> None:
    async with Studio().open() as studio:
        await studio.world.slot("cloud")
        await studio.crowd(2 * CAPACITY, seconds=30)
        await studio.rest()
    assert studio.refusals == []
    assert len(studio.pictures) == 24


async def test_the_bound_on_active_jobs_names_the_end_of_the_next_one() -> None:
    async with Studio(max_active=8).open() as studio:
        await studio.world.slot("cloud")
        await studio.crowd(5 * CAPACITY, seconds=160)
        await studio.rest()
    assert studio.pictures_between(10, 160) >= 0.95 * CAPACITY * 150
    assert studio.wrong_promises(since=10) == []
    assert studio.refusals
    assert studio.counted() == [Refusal.MAX_ACTIVE] * len(studio.refusals)


@pytest.mark.parametrize("source", [JobSource.LIBRARY, JobSource.TEST])
async def test_every_source_of_jobs_obeys(source: JobSource) -> None:
    async with Studio().open() as studio:
        slot = await studio.world.slot("cloud")
        await studio.crowd(3 * CAPACITY, seconds=60)
        assert studio.refusals
        assert studio.counted() == [Refusal.NO_TIME] * len(studio.refusals)
        photo = await studio.world.jobs.receive_photo(slot, chunks(picture("one more")))
        with pytest.raises(QueueFull):
            await studio.world.jobs.create(slot, photo, source=source)
        with pytest.raises(MediaNotFound):
            await studio.world.store.size(photo.file.key)
        await studio.rest()


async def test_a_photo_that_joins_its_job_is_not_refused() -> None:
    async with Studio().open() as studio:
        await studio.world.slot("cloud")
        first = await studio.world.submit(picture("mine"), idempotency_key="mine")
        left = await studio.world.submit(picture("left"))
        await studio.world.queue.abandon(left.id)
        await studio.crowd(5 * CAPACITY, seconds=12)
        with pytest.raises(QueueFull):
            await studio.world.submit(picture("other"), idempotency_key="other")
        assert (await studio.world.submit(picture("mine"), idempotency_key="mine")).id == first.id
        assert (await studio.world.submit(picture("left"))).id == left.id
        await studio.rest()
