"""Hedged calls: a second one next to a slow one, the first picture wins, the other is stopped and leaves nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.errors import StorageUnavailable
from photochanger.core.domain.job import FailureReason, Job, JobState, LogEvent
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.routing.provider_usage import CallOutcome, CallRecord
from photochanger.core.ports.provider import ProviderRequest, Rejected, Retryable

from tests.support.world import SECOND, ScriptedProvider, World, never, picture

pytestmark = pytest.mark.anyio


def after(world_of: Any, seconds: float, answer: bytes | Exception) -> Any:
    """A script step that answers so late."""

    async def step(request: ProviderRequest) -> bytes:
        await world_of().clock.sleep(timedelta(seconds=seconds))
        if isinstance(answer, Exception):
            raise answer
        return answer

    return step


async def hedged(first: Any, second: Any, *, usual_seconds: float | None = 4) -> tuple[World, Job, Job]:
    """A world in which `cloud` and `other` did so to a job of a slot that hedges; the job before and after."""
    world: World

    def this() -> World:
        return world

    cloud = ScriptedProvider("cloud", *[step(this) if callable(step) else step for step in first])
    other = ScriptedProvider("other", *[step(this) if callable(step) else step for step in second])
    world = World(cloud, other)
    await world.slot("cloud", "other", hedge=True)
    if usual_seconds is not None:
        earlier = await world.submit(picture("earlier"))
        claim = await world.claim()
        report = CallRecord("enhance", CallOutcome.PICTURE, timedelta(seconds=usual_seconds))
        for _ in range(20):
            await world.limits.release(claim, "cloud", entry=0, report=report)
        await world.jobs.cancel(earlier.id)
    job = await world.submit()
    return world, job, await world.work()


def slow(seconds: float, answer: bytes | Exception | None = None) -> Any:
    return lambda world: after(world, seconds, picture(f"after {seconds}") if answer is None else answer)


def hung(world: Any) -> Any:
    return never


async def seconds_taken(job: Job, ended: Job) -> float:
    assert ended.finalized_at is not None
    return (ended.finalized_at - job.created_at).total_seconds()


async def verdicts(world: World, job: Job) -> list[tuple[str, str]]:
    return [(entry["provider"], entry["classification"]) for entry in await world.log(job, LogEvent.ATTEMPT)]


async def test_a_quick_call_is_not_hedged() -> None:
    world, job, ended = await hedged([slow(3)], [])
    assert (ended.provider_id, await seconds_taken(job, ended)) == ("cloud", 3)
    assert await verdicts(world, job) == [("cloud", "picture")]


async def test_a_slow_call_is_joined_by_the_next_entry_whose_picture_may_win() -> None:
    world, job, ended = await hedged([hung], [slow(1)])
    assert (ended.provider_id, await seconds_taken(job, ended)) == ("other", 5)
    assert sorted(await verdicts(world, job)) == [("cloud", "cancelled"), ("other", "picture")]
    assert len(await world.files(MediaKind.RESULTS)) == 1


async def test_the_slow_call_may_still_win_and_the_second_is_stopped() -> None:
    world, job, ended = await hedged([slow(6)], [hung])
    assert (ended.provider_id, await seconds_taken(job, ended)) == ("cloud", 6)
    assert sorted(await verdicts(world, job)) == [("cloud", "picture"), ("other", "cancelled")]


async def test_without_figures_a_quarter_of_the_window_is_waited() -> None:
    _, job, ended = await hedged([hung], [slow(1)], usual_seconds=None)
    assert await seconds_taken(job, ended) == 13


async def test_pictures_at_the_same_moment_leave_one_file() -> None:
    world, _, ended = await hedged([slow(5)], [slow(1)])
    assert ended.state is JobState.SUCCEEDED
    assert ended.result is not None
    assert await world.files(MediaKind.RESULTS) == [str(ended.result.file.key)]


async def test_a_slow_call_that_fails_leaves_the_second_to_win() -> None:
    _, job, ended = await hedged([slow(5, Rejected("blocked"))], [slow(3)])
    assert (ended.provider_id, await seconds_taken(job, ended)) == ("other", 7)


async def test_a_second_call_that_fails_leaves_the_first_to_win() -> None:
    _, job, ended = await hedged([slow(9)], [Rejected("blocked")])
    assert (ended.provider_id, await seconds_taken(job, ended)) == ("cloud", 9)


async def test_the_second_lane_comes_back_to_an_entry_whose_slow_call_failed() -> None:
    world, job, ended = await hedged([slow(5, Retryable("no picture")), slow(1)], [slow(2, Rejected("blocked"))])
    assert ended.provider_id == "cloud"
    assert await verdicts(world, job) == [("cloud", "retryable"), ("other", "rejected"), ("cloud", "picture")]


async def test_both_failing_is_the_route_failing() -> None:
    _, _, ended = await hedged([slow(5, Rejected("one"))], [slow(3, Rejected("two"))])
    assert (ended.failure_reason, ended.error_detail) == (FailureReason.PROVIDER_ERROR, "two")


async def test_a_quick_failure_is_retried_as_ever_and_the_retry_is_hedged_too() -> None:
    world, job, ended = await hedged([Retryable("busy"), hung], [slow(1)])
    assert (ended.provider_id, await seconds_taken(job, ended)) == ("other", 5.25)
    calls = await verdicts(world, job)
    assert calls[0] == ("cloud", "retryable")


async def test_a_store_that_fails_for_a_moment_ends_neither() -> None:
    _, _, ended = await hedged([hung], [StorageUnavailable("full")])
    assert (ended.failure_reason, ended.provider_id) == (None, "other")


async def test_a_job_that_is_cancelled_stops_both_calls() -> None:
    cloud, other = ScriptedProvider("cloud", never), ScriptedProvider("other", never)
    world = World(cloud, other)
    await world.slot("cloud", "other", hedge=True)
    job = await world.submit()
    work = await world.start_work()
    await world.clock.advance(20 * SECOND)
    assert (len(cloud.calls), len(other.calls)) == (1, 1)
    await world.jobs.cancel(job.id)
    await world.end(work, within=2 * SECOND)
    assert (cloud.stopped, other.stopped) == (1, 1)


async def test_hedged_calls_share_the_photo() -> None:
    world, _, _ = await hedged([hung], [slow(1)])
    assert len(world.images.prepared) == 1
