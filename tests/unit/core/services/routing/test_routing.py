"""How a route is run: retries inside one budget, the order of the entries, and what the log says of each call."""

from __future__ import annotations

from datetime import timedelta

import pytest
from photochanger.core.domain.errors import InvalidSettings, StorageUnavailable
from photochanger.core.domain.field_errors import FieldError, FieldErrorCode
from photochanger.core.domain.job import FailureReason, JobSource, JobState, LogEvent
from photochanger.core.domain.media import MediaKey, MediaKind
from photochanger.core.domain.routing.provider_usage import ProviderLimit
from photochanger.core.domain.settings import AppSettings
from photochanger.core.domain.slots.slot import TemplateBinding
from photochanger.core.ports.provider import ProviderRequest, Rejected, Retryable, Unavailable

from tests.support.world import SECOND, TORN, ScriptedProvider, World, chunks, never, picture

pytestmark = pytest.mark.anyio

MILLISECOND = timedelta(milliseconds=1)


async def start_times(world: World, cloud: ScriptedProvider) -> list[timedelta]:
    """When each call to the provider came, from the submission on."""
    await world.slot("cloud")
    job = await world.submit()
    times: list[timedelta] = []
    process = cloud.process

    async def timed(request: ProviderRequest):  # type: ignore[no-untyped-def]
        times.append(world.clock.now() - job.created_at)
        return await process(request)

    cloud.process = timed  # type: ignore[method-assign]
    await world.work()
    return times


async def test_back_off_doubles_and_then_the_calls_are_spread_over_the_window() -> None:
    cloud = ScriptedProvider("cloud", *[Retryable("busy")] * 4)
    times = await start_times(World(cloud, jitter=lambda: 1.0), cloud)
    assert times == [timedelta(milliseconds=ms) for ms in (0, 250, 750, 20750, 40750)]


async def test_chance_takes_up_to_half_of_a_pause_and_a_tenth_of_a_long_one() -> None:
    cloud = ScriptedProvider("cloud", *[Retryable("busy")] * 4)
    times = await start_times(World(cloud, jitter=lambda: 0.0), cloud)
    assert times[:3] == [timedelta(milliseconds=ms) for ms in (0, 125, 375)]
    assert times[3] - times[2] == 18 * SECOND
    assert times[4] - times[3] == 18 * SECOND


async def test_a_provider_is_not_asked_before_the_time_it_named() -> None:
    cloud = ScriptedProvider("cloud", Retryable("limit", after=7 * SECOND))
    assert await start_times(World(cloud), cloud) == [timedelta(0), 7 * SECOND]


async def test_a_wait_longer_than_what_is_left_means_the_next_entry_at_once() -> None:
    cloud = ScriptedProvider("cloud", Retryable("limit", after=48 * SECOND))
    world = World(cloud)
    await world.slot("cloud", "local")
    await world.submit()
    job = await world.work(within=timedelta(0))
    assert (job.state, job.provider_id, job.finalized_at) == (JobState.SUCCEEDED, "local", job.created_at)


async def test_a_wait_that_just_fits_is_waited() -> None:
    cloud = ScriptedProvider("cloud", Retryable("limit", after=48 * SECOND - MILLISECOND))
    assert len(await start_times(World(cloud), cloud)) == 2


async def test_an_entry_is_called_five_times_and_then_the_next_one() -> None:
    cloud = ScriptedProvider("cloud", *[Retryable("busy")] * 9)
    world = World(cloud)
    await world.slot("cloud", "local")
    await world.submit()
    job = await world.work()
    assert (len(cloud.calls), job.provider_id) == (5, "local")


async def test_an_entry_that_refuses_for_good_or_is_down_is_called_once() -> None:
    one, two = ScriptedProvider("one", Rejected("blocked")), ScriptedProvider("two", Unavailable("no key"))
    world = World(one, two)
    await world.slot("one", "two", "local")
    await world.submit()
    job = await world.work(within=timedelta(0))
    assert (len(one.calls), len(two.calls), job.provider_id) == (1, 1, "local")
    assert job.state is JobState.SUCCEEDED


async def test_entries_are_tried_in_order_and_none_after_the_first_picture() -> None:
    one, two = ScriptedProvider("one"), ScriptedProvider("two")
    world = World(one, two)
    await world.slot("two", "one")
    await world.submit()
    assert (await world.work()).provider_id == "two"
    assert one.calls == []


@pytest.mark.parametrize("entry", ["unknown", "cloud/levitate"])
async def test_an_unknown_operation_goes_on_with_the_next_entry(entry: str) -> None:
    world = World(ScriptedProvider("cloud"))
    await world.slot(entry, "local")
    await world.submit()
    assert (await world.work()).provider_id == "local"


async def test_a_route_of_unknown_providers_fails() -> None:
    world = World()
    await world.slot("unknown")
    await world.submit()
    job = await world.work()
    assert (job.failure_reason, job.provider_id) == (FailureReason.PROVIDER_ERROR, "unknown")
    assert "unknown" in (job.error_detail or "")


async def test_a_provider_that_crashes_goes_on_with_the_next_entry_and_tells_no_secret() -> None:
    world = World(cloud := ScriptedProvider("cloud", RuntimeError("key sk-12345 was refused")))
    await world.slot("cloud", "local")
    job = await world.submit()
    assert (await world.work()).provider_id == "local"
    assert len(cloud.calls) == 1
    crash, _ = await world.log(job, LogEvent.ATTEMPT)
    assert (crash["classification"], crash["reason"], crash["cause"]) == ("crashed", "RuntimeError", "crashed")


async def test_settings_that_do_not_fit_go_on_with_the_next_entry() -> None:
    wrong = InvalidSettings([FieldError("look", FieldErrorCode.EMPTY)])
    world = World(ScriptedProvider("cloud", wrong))
    await world.slot("cloud", "local")
    job = await world.submit()
    assert (await world.work()).provider_id == "local"
    assert (await world.log(job, LogEvent.ATTEMPT))[0]["classification"] == "rejected"


async def test_a_providers_own_time_limit_is_not_the_end_of_the_window() -> None:
    world = World(cloud := ScriptedProvider("cloud", *[TimeoutError("read timed out")] * 5))
    await world.slot("cloud", "local")
    await world.submit()
    job = await world.work()
    assert (job.state, job.provider_id, len(cloud.calls)) == (JobState.SUCCEEDED, "local", 5)


@pytest.mark.parametrize("answer", [b"<html>busy</html>", TORN, picture(width=10**5, height=10**5)])
async def test_an_answer_that_is_no_usable_picture_is_asked_for_again(answer: bytes) -> None:
    world = World(cloud := ScriptedProvider("cloud", answer))
    await world.slot("cloud")
    job = await world.submit()
    assert (await world.work()).state is JobState.SUCCEEDED
    assert len(cloud.calls) == 2
    first, second = await world.log(job, LogEvent.ATTEMPT)
    assert (first["classification"], second["classification"]) == ("retryable", "picture")
    assert len(await world.files(MediaKind.RESULTS)) == 1


async def test_a_provider_that_only_makes_broken_pictures_fails_the_job_and_leaves_no_file() -> None:
    world = World(cloud := ScriptedProvider("cloud", *[TORN] * 5))
    await world.slot("cloud")
    await world.submit()
    job = await world.work()
    assert (job.error_code, len(cloud.calls)) == ("provider_failed", 5)
    assert await world.files() == []


async def test_a_store_that_fails_is_not_the_providers_fault() -> None:
    world = World(cloud := ScriptedProvider("cloud", StorageUnavailable("full")))
    await world.slot("cloud")
    job = await world.submit()
    assert (await world.work()).state is JobState.SUCCEEDED
    assert len(cloud.calls) == 2
    first, _ = await world.log(job, LogEvent.ATTEMPT)
    assert (first["classification"], first["reason"]) == ("cancelled", "full")


async def test_a_store_that_fails_to_the_end_is_the_reason_of_the_failure() -> None:
    world = World(cloud := ScriptedProvider("cloud", *[StorageUnavailable("full")] * 10))
    await world.slot("cloud")
    await world.submit()
    job = await world.work()
    assert (job.failure_reason, job.error_code) == (FailureReason.STORAGE_ERROR, "storage_unavailable")
    assert len(cloud.calls) == 5


async def test_the_window_cuts_a_call_off_and_the_log_says_so() -> None:
    world = World(ScriptedProvider("cloud", Retryable("busy"), never))
    await world.slot("cloud")
    job = await world.submit()
    assert (await world.work()).state is JobState.TIMED_OUT
    _, cut = await world.log(job, LogEvent.ATTEMPT)
    assert (cut["classification"], cut["cause"], cut["duration_ms"]) == ("timeout", "window_ended", 47_750.0)


async def test_the_log_tells_every_call_with_its_verdict_and_its_time() -> None:
    async def refuses_after_two_seconds(request: ProviderRequest) -> bytes:
        await world.clock.sleep(2 * SECOND)
        raise Rejected("x" * 600)

    cloud = ScriptedProvider("cloud", Retryable("busy"), refuses_after_two_seconds)
    world = World(cloud)
    await world.slot("cloud", "local")
    job = await world.submit()
    world.local.script.append(picture("done", type="PNG"))
    await world.work()
    busy, refused, done = await world.log(job, LogEvent.ATTEMPT)
    started = job.created_at
    assert busy == {
        "entry": 0,
        "call": 1,
        "provider": "cloud",
        "operation": "enhance",
        "classification": "retryable",
        "reason": "busy",
        "cause": "no_picture",
        "started_at": started.isoformat(),
        "duration_ms": 0.0,
        "attempt": 1,
    }
    assert (refused["call"], refused["classification"], refused["duration_ms"]) == (2, "rejected", 2000.0)
    assert refused["reason"] == "x" * 500
    assert refused["started_at"] == (started + timedelta(milliseconds=250)).isoformat()
    assert (done["entry"], done["call"], done["classification"], done["reason"]) == (1, 1, "picture", "image/png")
    assert done["model"] == "m-1"  # the provider's own remark


async def test_the_photo_is_prepared_once_for_equal_needs_and_again_for_others() -> None:
    world = World(
        ScriptedProvider("one", Retryable("busy"), Rejected("no")),
        ScriptedProvider("two", Rejected("no")),
        ScriptedProvider("small", max_bytes=10**6),
    )
    await world.slot("one", "two", "small")
    await world.submit()
    assert (await world.work()).provider_id == "small"
    assert [needs.max_bytes for needs in world.images.prepared] == [10**7, 10**6]


async def test_templates_of_the_slot_reach_the_provider() -> None:
    world = World()
    key = MediaKey(MediaKind.TEMPLATES, "style-1")
    await world.store.put(key.kind, key.name, chunks(picture("style")), max_bytes=1000)
    await world.slot(templates=(TemplateBinding("style", "style-1"),))
    await world.submit()
    await world.work()
    (request,) = world.local.calls
    assert {name: template.data for name, template in request.templates.items()} == {"style": picture("style")}


async def test_a_template_that_is_missing_gives_the_route_up_with_a_reason() -> None:
    world = World()
    await world.slot(templates=(TemplateBinding("style", "style-1"),))
    await world.submit()
    job = await world.work()
    assert job.failure_reason is FailureReason.PROVIDER_ERROR
    assert "style-1" in (job.error_detail or "")
    assert world.local.calls == []


async def test_the_catalogue_knows_limits_and_closes_everyone() -> None:
    one, two = ScriptedProvider("one", max_concurrent=3), ScriptedProvider("two")
    world = World(two, one)
    assert [provider.info.id for provider in world.providers.all()] == ["local", "one", "two"]
    assert world.providers.concurrency_limits(AppSettings()) == {"one": 3}
    allowed = AppSettings(provider_limits={"one": ProviderLimit(), "two": ProviderLimit(max_concurrent=4)})
    assert world.providers.concurrency_limits(allowed) == {"two": 4}
    await world.providers.close()
    assert (one.closed, two.closed, world.local.closed) == (1, 1, 1)


async def test_attempts_that_fail_are_in_the_log_while_the_job_goes_on() -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")), ScriptedProvider("other", never))
    await world.slot("cloud", "other")
    job = await world.submit()
    work = await world.start_work()
    assert [entry["classification"] for entry in await world.log(job, LogEvent.ATTEMPT)] == ["rejected"]
    assert not work.done()
    work.cancel()


async def test_the_attempt_that_made_the_picture_is_logged_without_making_the_guest_wait() -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    world.job_log.append = never
    await world.end(await world.start_work())
    assert (await world.jobs.get(job.id)).state is JobState.SUCCEEDED


async def test_the_log_of_a_test_job_is_complete_at_its_end() -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")))
    await world.slot("cloud", "local")
    job = await world.submit(source=JobSource.TEST)
    await world.end(await world.start_work())
    events = [entry.event for entry in await world.job_log.entries(job.id)]
    assert events == [LogEvent.RECEIVED, LogEvent.ACQUIRED, LogEvent.ATTEMPT, LogEvent.ATTEMPT, LogEvent.FINALIZED]


async def test_the_call_of_a_job_that_was_cancelled_is_logged_and_reported() -> None:
    world = World(ScriptedProvider("cloud", never, max_concurrent=1))
    await world.slot("cloud")
    job = await world.submit()
    work = await world.start_work()
    await world.jobs.cancel(job.id)
    await world.end(work)
    (attempt,) = await world.log(job, LogEvent.ATTEMPT)
    assert attempt["classification"] == "cancelled"
    assert world.limits.calls.count("release") == 1


async def test_a_worker_that_stops_leaves_the_attempt_in_the_log_and_the_permit_free() -> None:
    world = World(ScriptedProvider("cloud", never, max_concurrent=1))
    await world.slot("cloud")
    job = await world.submit()
    work = await world.start_work()
    work.cancel()
    await world.run(world.processing.close())
    (attempt,) = await world.log(job, LogEvent.ATTEMPT)
    assert attempt["classification"] == "cancelled"
    assert world.limits.calls.count("release") == 1


async def test_a_pause_does_not_grow_when_the_clock_is_set_back() -> None:
    cloud = ScriptedProvider("cloud", Retryable("limit", after=7 * SECOND))
    world = World(cloud)
    await world.slot("cloud")
    await world.submit()
    work = await world.start_work()
    await world.clock.advance(SECOND)
    world.clock.set_back(timedelta(hours=1))
    await world.end(work, within=6 * SECOND)
    assert len(cloud.calls) == 2
