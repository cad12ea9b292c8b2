"""How a route spends its window: fallbacks get their time, forgotten calls are given up, limits are waited for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import FailureReason, Job, JobState, LogEvent
from photochanger.core.domain.routing.provider_usage import BREAKER_FAILURES, CallOutcome, CallRecord, ProviderLimit
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    ProviderRequest,
    QuotaExhausted,
    Rejected,
    Retryable,
    Unavailable,
)

from tests.support.world import SECOND, ScriptedProvider, World, never, picture

pytestmark = pytest.mark.anyio


async def usual(world: World, provider_id: str, seconds: float) -> None:
    """Let the provider be known for taking so long."""
    job = await world.submit(picture(f"earlier {provider_id}"))
    claim = await world.claim()
    report = CallRecord("enhance", CallOutcome.PICTURE, timedelta(seconds=seconds))
    for _ in range(20):
        await world.limits.release(claim, provider_id, entry=0, report=report)
    await world.jobs.cancel(job.id)


async def attempts(world: World, job: Job) -> list[tuple[str, str]]:
    """Who was asked, and how that ended."""
    return [(entry["provider"], entry["classification"]) for entry in await world.log(job, LogEvent.ATTEMPT)]


async def test_a_provider_that_hangs_leaves_its_fallback_time_to_make_the_picture() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud", "local")
    job = await world.submit()
    ended = await world.work()
    assert (ended.state, ended.provider_id) == (JobState.SUCCEEDED, "local")
    assert ended.finalized_at == job.created_at + 42 * SECOND
    assert cloud.stopped == 1
    assert await attempts(world, job) == [("cloud", "timeout"), ("local", "picture")]


async def test_a_call_far_beyond_what_is_usual_is_given_up_and_made_again() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    await usual(world, "cloud", 3)
    job = await world.submit()
    ended = await world.work()
    assert ended.state is JobState.SUCCEEDED
    assert (len(cloud.calls), cloud.stopped) == (2, 1)
    assert await attempts(world, job) == [("cloud", "timeout"), ("cloud", "picture")]


async def test_a_call_under_way_is_given_up_once_the_pictures_of_others_tell_what_is_usual() -> None:
    world = World(cloud := ScriptedProvider("cloud", never))
    await world.slot("cloud")
    job = await world.submit()
    work = await world.start_work()
    await world.clock.advance(8 * SECOND)
    await usual(world, "cloud", 3)
    await world.end(work, within=8 * SECOND)
    ended = await world.jobs.get(job.id)
    assert ended.state is JobState.SUCCEEDED
    assert ended.finalized_at is not None
    assert job.created_at + 12 * SECOND <= ended.finalized_at <= job.created_at + 16 * SECOND
    assert (len(cloud.calls), cloud.stopped) == (2, 1)


async def test_no_call_starts_that_would_usually_not_end_in_time_while_another_entry_could() -> None:
    busy = Retryable("busy", after=30 * SECOND)
    world = World(cloud := ScriptedProvider("cloud", busy))
    await world.slot("cloud", "local")
    await usual(world, "cloud", 20)
    await world.submit()
    assert (await world.work(within=timedelta(0))).provider_id == "local"
    assert len(cloud.calls) == 1


async def test_an_entry_that_was_down_is_come_back_to_when_nothing_else_is_left() -> None:
    down = [Down("HTTP 503")] * BREAKER_FAILURES
    world = World(cloud := ScriptedProvider("cloud", *down), other := ScriptedProvider("other", Rejected("blocked")))
    await world.slot("cloud", "other")
    for _ in range(BREAKER_FAILURES):  # by other jobs' calls
        await world.limits.release(
            await an_earlier_claim(world), "cloud", entry=0, report=CallRecord("enhance", CallOutcome.DOWN, SECOND)
        )
    cloud.script.clear()
    job = await world.submit()
    ended = await world.work()
    assert (ended.state, ended.provider_id) == (JobState.SUCCEEDED, "cloud")
    assert len(other.calls) == 1
    assert ended.finalized_at == job.created_at + 2 * SECOND
    assert await attempts(world, job) == [("cloud", "blocked"), ("other", "rejected"), ("cloud", "picture")]


async def an_earlier_claim(world: World):  # type: ignore[no-untyped-def]
    job = await world.submit(picture(str(len(world.queue.calls))))
    claim = await world.claim()
    await world.jobs.cancel(job.id)
    return claim


async def test_jobs_outlive_a_provider_that_is_away_for_half_a_minute() -> None:
    async def away_for_thirty_seconds(request: ProviderRequest) -> bytes:
        if world.clock.now() - started < 30 * SECOND:
            raise Down("connection refused")
        return picture("at last")

    world = World(cloud := ScriptedProvider("cloud", *[away_for_thirty_seconds] * 1000))
    await world.slot("cloud")
    started = world.clock.now()
    jobs = [await world.submit(picture(str(number))) for number in range(50)]
    claims = await world.claims("worker-1", n=50)
    works = [asyncio.ensure_future(world.processing.run(claim)) for claim in claims]
    for _ in range(48):
        await world.clock.advance(SECOND)
        await world.queue.renew(claims, lease=10 * SECOND)
    await asyncio.gather(*works)
    ended = [await world.jobs.get(job.id) for job in jobs]
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    # The breaker kept them from burning their calls: far fewer than five each.
    assert len(cloud.calls) < 3 * 50
    await world.run(world.processing.close(), within=10 * SECOND)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Down("HTTP 503"), 20),
        (Retryable("limits requests (429)"), 15),
        (Retryable("try again in 12s", after=12 * SECOND), 12),
    ],
)
async def test_a_provider_that_fails_at_once_and_is_back_within_the_window_makes_the_picture(
    error: Retryable, seconds: int
) -> None:
    async def away(request: ProviderRequest) -> bytes:
        if world.clock.now() - job.created_at < seconds * SECOND:
            raise error
        await world.clock.sleep(8 * SECOND)
        return picture("at last")

    world = World(cloud := ScriptedProvider("cloud", *[away] * 5))
    await world.slot("cloud")
    job = await world.submit()
    assert (await world.work()).state is JobState.SUCCEEDED
    assert len(cloud.calls) <= 5


async def test_retries_stop_in_time_for_a_fallback_of_known_duration() -> None:
    async def other_call(request: ProviderRequest) -> bytes:
        await world.clock.sleep(8 * SECOND)
        return picture("other")

    failing = ScriptedProvider("cloud", *[Retryable("busy")] * 9)
    world = World(failing, ScriptedProvider("other", other_call))
    await world.slot("cloud", "other")
    await usual(world, "other", 8)
    await world.set_settings(sync_response=10 * SECOND)
    await world.submit()
    ended = await world.work()
    assert (ended.state, ended.provider_id) == (JobState.SUCCEEDED, "other")


async def test_a_rate_limit_that_ends_within_the_window_is_waited_for() -> None:
    world = World(ScriptedProvider("cloud", per_minute=1))
    await world.slot("cloud", "local")
    earlier = await an_earlier_claim_that_called(world)
    await world.clock.advance(30 * SECOND)
    job = await world.submit()
    ended = await world.work()
    assert ended.provider_id == "cloud"
    assert ended.finalized_at is not None
    assert earlier + 60 * SECOND <= ended.finalized_at <= earlier + 61 * SECOND
    assert await attempts(world, job) == [("cloud", "blocked"), ("cloud", "picture")]


async def test_a_rate_limit_that_outlasts_the_window_means_the_next_entry_at_once() -> None:
    world = World(ScriptedProvider("cloud", per_minute=1))
    await world.slot("cloud", "local")
    await an_earlier_claim_that_called(world)
    job = await world.submit()
    assert (await world.work(within=timedelta(0))).provider_id == "local"
    assert await attempts(world, job) == [("cloud", "blocked"), ("local", "picture")]


async def an_earlier_claim_that_called(world: World):  # type: ignore[no-untyped-def]
    """When another job made the one call of this minute and of this place."""
    job = await world.submit(picture("earlier"))
    await world.run(world.processing.run(await world.claim()))
    assert (await world.jobs.get(job.id)).provider_id == "cloud"
    return world.clock.now()


async def test_a_daily_limit_ends_the_entry_for_the_job() -> None:
    world = World(cloud := ScriptedProvider("cloud", per_day=1))
    await world.slot("cloud")
    await an_earlier_claim_that_called(world)
    await world.submit()
    job = await world.work(within=timedelta(0))
    assert (job.failure_reason, len(cloud.calls)) == (FailureReason.PROVIDER_ERROR, 1)
    assert "Daily" in (job.error_detail or "")


async def test_a_place_is_waited_for_and_taken_as_soon_as_it_is_free() -> None:
    let_go = asyncio.Event()

    async def held(request: ProviderRequest) -> bytes:
        await let_go.wait()
        return picture("held")

    world = World(cloud := ScriptedProvider("cloud", held, max_concurrent=1))
    await world.slot("cloud", "local")
    await world.submit(picture("1"))
    await world.submit(picture("2"))
    first, second = await world.claims("worker-1", n=2)
    works = [await world.start(world.processing.run(claim)) for claim in (first, second)]
    await world.clock.advance(5 * SECOND)
    assert len(cloud.calls) == 1
    let_go.set()
    await world.clock.advance(SECOND)
    assert all(work.done() for work in works)
    assert len(cloud.calls) == 2
    assert len(await world.log(second.job, LogEvent.ATTEMPT)) == 2  # the wait is logged once


async def test_a_job_does_not_wait_for_a_place_until_it_is_too_late_for_its_fallback() -> None:
    world = World(ScriptedProvider("cloud", never, max_concurrent=1))
    await world.slot("cloud", "local")
    await world.submit(picture("1"))
    await world.submit(picture("2"))
    first, second = await world.claims("worker-1", n=2)
    holding = await world.start(world.processing.run(first))
    work = await world.start(world.processing.run(second))
    for _ in range(40):
        await world.clock.advance(SECOND)
        await world.queue.renew([first], lease=10 * SECOND)
    await world.end(work)
    ended = await world.jobs.get(second.job.id)
    assert (ended.state, ended.provider_id) == (JobState.SUCCEEDED, "local")
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_what_an_administrator_allows_holds_in_place_of_what_the_provider_declares() -> None:
    world = World(ScriptedProvider("cloud", per_minute=100))
    await world.slot("cloud", "local")
    await world.set_settings(provider_limits={"cloud": ProviderLimit(per_minute=1)})
    await an_earlier_claim_that_called(world)
    await world.submit()
    assert (await world.work(within=timedelta(0))).provider_id == "local"


async def test_an_unavailable_database_costs_no_call() -> None:
    world = World(cloud := ScriptedProvider("cloud", Retryable("busy")))
    await world.slot("cloud")
    await world.submit()
    world.limits.faults["*"] = QueueUnavailable("away")
    assert (await world.work()).state is JobState.SUCCEEDED
    assert len(cloud.calls) == 2


async def test_an_outage_that_a_provider_meets_is_waited_for_and_never_its_failure() -> None:
    away = QueueUnavailable("away")  # as where the key of the provider cannot be read
    world = World(cloud := ScriptedProvider("cloud", *[away] * 3))
    await world.slot("cloud")
    job = await world.submit()
    assert (await world.work()).provider_id == "cloud"
    assert len(cloud.calls) == 4
    assert len(await world.log(job, LogEvent.ATTEMPT)) == 1
    health = (await world.limits.health())["cloud"]
    assert (health.calls_today, health.health) == (1, 1.0)


async def test_a_first_call_without_limits_is_not_admitted_separately() -> None:
    world = World(ScriptedProvider("cloud", Retryable("busy")))
    await world.slot("cloud")
    await world.submit()
    await world.work()
    assert world.limits.calls.count("acquire") == 1  # the second call
    assert (await world.limits.health())["cloud"].calls_today == 2


async def test_many_jobs_at_once_read_the_figures_once() -> None:
    world = World(ScriptedProvider("cloud"))
    await world.slot("cloud")
    for number in range(20):
        await world.submit(picture(str(number)))
    claims = await world.claims("worker-1", n=20)
    works = [asyncio.ensure_future(world.processing.run(claim)) for claim in claims]
    await world.clock.advance(SECOND)
    await asyncio.gather(*works)
    assert world.limits.calls.count("health") == 1


async def test_a_failure_makes_the_next_job_look_again() -> None:
    world = World(cloud := ScriptedProvider("cloud", *[Down("HTTP 503", after=timedelta(0))] * 5))
    await world.slot("cloud", "local")
    await world.submit(picture("1"))
    await world.run(world.processing.run(await world.claim()), within=SECOND)
    cloud.calls.clear()
    job = await world.submit(picture("2"))
    await world.run(world.processing.run(await world.claim()))
    assert await attempts(world, job) == [("cloud", "blocked"), ("local", "picture")]
    assert cloud.calls == []


async def test_a_database_that_hangs_costs_a_moment_and_not_the_call() -> None:
    world = World(cloud := ScriptedProvider("cloud", max_concurrent=3))
    await world.slot("cloud")
    job = await world.submit()

    async def hang(*args: object, **kwargs: object) -> None:
        await asyncio.get_running_loop().create_future()

    world.limits.acquire = world.limits.health = hang
    ended = await world.work()
    assert (ended.state, len(cloud.calls)) == (JobState.SUCCEEDED, 1)
    assert ended.finalized_at == job.created_at + 4 * SECOND


async def test_the_pace_is_that_of_the_call_and_not_of_what_comes_after_it() -> None:
    async def slow(request: ProviderRequest) -> bytes:
        await world.clock.sleep(3 * SECOND)
        return picture("slow")

    world = World(ScriptedProvider("cloud", *[slow] * 10))
    await world.slot("cloud")
    finalize = world.queue.inner.mark_finalized

    async def slowly(*args: object, **kwargs: object) -> object:
        await world.clock.sleep(5 * SECOND)
        return await finalize(*args, **kwargs)

    world.queue.inner.mark_finalized = slowly
    for number in range(10):
        await world.submit(picture(str(number)))
        await world.run(world.processing.run(await world.claim()), within=9 * SECOND)
    assert (await world.limits.health())["cloud"].pace["enhance"].p90 == 3 * SECOND


async def test_calls_on_this_machine_have_no_limits() -> None:
    world = World()
    await world.slot()
    await world.submit()
    await world.work()
    assert world.limits.calls == []


async def test_every_call_is_reported() -> None:
    async def slow(request: ProviderRequest) -> bytes:
        await world.clock.sleep(4 * SECOND)
        return picture("slow")

    world = World(ScriptedProvider("cloud", Retryable("no picture"), Down("HTTP 500"), slow))
    await world.slot("cloud")
    await world.submit()
    await world.work()
    standing = (await world.limits.health())["cloud"]
    assert (standing.health, standing.calls_today) == (pytest.approx(1 / 3), 3)


async def test_the_last_word_of_a_route_is_its_code_where_all_entries_agree() -> None:
    world = World(ScriptedProvider("one", NotConfigured("no key")), ScriptedProvider("two", NotConfigured("no key")))
    await world.slot("one", "two")
    await world.submit()
    job = await world.work(within=timedelta(0))
    assert (job.error_code, job.error_detail) == ("provider_not_configured", "no key")


@pytest.mark.parametrize("last", [Rejected("blocked"), QuotaExhausted("used up"), Unavailable("closed")])
async def test_a_route_that_gave_up_for_several_reasons_ends_as_failed(last: Exception) -> None:
    world = World(ScriptedProvider("one", NotConfigured("no key")), ScriptedProvider("two", last))
    await world.slot("one", "two")
    await world.submit()
    job = await world.work(within=timedelta(0))
    assert (job.error_code, job.provider_id) == ("provider_failed", "two")
