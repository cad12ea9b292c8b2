"""Failure answers that are pictures: made in time, given out as fallback, and never a reason for a job not to end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import FailureReason, Job, JobState
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.slots.slot import Branded, FailureAnswer, TemplateBinding
from photochanger.core.ports.provider import ProviderRequest, Rejected, Unavailable

from tests.support.world import SECOND, TORN, ScriptedProvider, World, chunks, never, picture

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=48)


async def assert_ended(world: World, job: Job, state: JobState, reason: FailureReason, code: str) -> None:
    """The job ended so, counts so, and left no payload behind."""
    ended = await world.jobs.get(job.id)
    assert (ended.state, ended.failure_reason, ended.error_code) == (state, reason, code)
    assert ended.error_detail
    assert await world.files(MediaKind.PAYLOADS) == []


async def test_the_original_answers_for_a_route_that_gave_up() -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")))
    await world.slot("cloud", failure_answer=FailureAnswer.ORIGINAL)
    photo = picture("ada")
    await world.submit(photo)
    job = await world.work()
    await assert_ended(world, job, JobState.FAILED, FailureReason.PROVIDER_ERROR, "provider_failed")
    assert job.result is not None
    assert job.result.fallback
    assert await world.content(job.result.file.key) == photo


async def test_the_branded_photo_answers_for_a_route_that_gave_up() -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")))
    branded = Branded("frame", {"text": "Sorry"})
    await world.slot("cloud", failure_answer=FailureAnswer.BRANDED, branded=branded)
    await world.submit()
    job = await world.work()
    (request,) = world.local.calls
    assert (request.operation_id, request.settings, request.until) == ("frame", {"text": "Sorry"}, job.expires_at)
    assert job.result is not None
    assert job.result.fallback
    assert await world.content(job.result.file.key) == world.local.made(request)


async def test_the_branded_photo_has_the_clients_text_and_the_slots_frame() -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")))
    await world.store.put(MediaKind.TEMPLATES, "golden", chunks(picture("golden")), max_bytes=1000)
    await world.slot(
        "cloud",
        failure_answer=FailureAnswer.BRANDED,
        branded=Branded("frame", {"prompt": "For {guest}", "text": "{guest}"}),
        prompt_fields=("guest",),
        templates=(TemplateBinding("frame", "golden"), TemplateBinding("style", "another")),
    )
    await world.submit(metadata={"guest": "Ada"})
    await world.work()
    (request,) = world.local.calls
    assert request.settings == {"prompt": "For Ada", "text": "{guest}"}, "only prompts are filled"
    assert {key: template.data for key, template in request.templates.items()} == {"frame": picture("golden")}


@pytest.mark.parametrize("kept", [False, True])
async def test_photos_are_transparent_where_the_slot_says_so_and_templates_and_originals_always(kept: bool) -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked"), Rejected("blocked")))
    await world.store.put(MediaKind.TEMPLATES, "golden", chunks(picture("golden")), max_bytes=1000)
    bound = (TemplateBinding("frame", "golden"), TemplateBinding("style", "golden"))
    options = {"templates": bound, "branded": Branded("frame"), "keep_transparency": kept}
    await world.slot("cloud", failure_answer=FailureAnswer.BRANDED, **options)
    await world.submit()
    await world.work()
    asked = [needs.keep_transparency for needs in world.images.prepared]
    assert asked == [kept, True, kept, True], "photo and style for the call, photo and frame for the failure answer"
    await world.slot("cloud", failure_answer=FailureAnswer.ORIGINAL, keep_transparency=kept)
    await world.submit()
    await world.work()
    assert world.images.prepared[-1].keep_transparency


async def test_the_branded_photo_is_made_without_a_missing_template() -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")))
    bound = (TemplateBinding("frame", "gone"),)
    await world.slot("cloud", failure_answer=FailureAnswer.BRANDED, branded=Branded("frame"), templates=bound)
    await world.submit()
    job = await world.work()
    assert job.result is not None
    assert job.result.fallback
    assert world.local.calls[0].templates == {}


@pytest.mark.parametrize("kind", [FailureAnswer.ORIGINAL, FailureAnswer.BRANDED])
async def test_a_failure_answer_is_ready_before_the_deadline_when_no_worker_came(kind: FailureAnswer) -> None:
    world = World()
    await world.slot("cloud", failure_answer=kind)
    job = await world.submit()
    ended = await world.run(world.jobs.wait(job.id), within=WINDOW - SECOND)
    assert ended.result is not None
    assert ended.result.fallback
    assert ended.finalized_at is not None
    assert ended.finalized_at < job.expires_at
    await assert_ended(world, job, JobState.TIMED_OUT, FailureReason.TIMEOUT, "sync_timeout")
    assert await world.files() == [str(ended.result.file.key)]


async def test_the_route_stops_early_enough_for_a_failure_answer() -> None:
    world = World(ScriptedProvider("cloud", never))
    await world.slot("cloud", failure_answer=FailureAnswer.ORIGINAL)
    job = await world.submit()
    await world.end(await world.start_work(), within=WINDOW - 3 * SECOND)
    ended = await world.jobs.get(job.id)
    assert ended.result is not None
    await assert_ended(world, job, JobState.TIMED_OUT, FailureReason.TIMEOUT, "sync_timeout")


@pytest.mark.parametrize("error", [Unavailable("no font"), KeyError("size"), QueueUnavailable("away")])
async def test_a_branded_photo_that_cannot_be_made_leaves_the_failure_as_it_is(error: BaseException) -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")))
    await world.slot("cloud", failure_answer=FailureAnswer.BRANDED)
    world.local.script.append(error)
    await world.submit()
    job = await world.work()
    await assert_ended(world, job, JobState.FAILED, FailureReason.PROVIDER_ERROR, "provider_failed")
    assert job.result is None
    assert await world.files() == []


async def test_an_invalid_branded_photo_is_not_returned() -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")))
    await world.slot("cloud", failure_answer=FailureAnswer.BRANDED)
    world.local.script.append(TORN)
    await world.submit()
    assert (await world.work()).result is None
    assert await world.files() == []


async def test_a_slow_branded_photo_does_not_delay_the_answer() -> None:
    world = World()
    await world.slot("cloud", failure_answer=FailureAnswer.BRANDED)
    world.local.script.append(never)
    job = await world.submit()
    ended = await world.run(world.jobs.wait(job.id), within=WINDOW)
    assert (ended.state, ended.result, ended.finalized_at) == (JobState.TIMED_OUT, None, job.expires_at)
    assert world.local.stopped == 1


async def test_an_unknown_branded_operation_leaves_the_failure_as_it_is() -> None:
    world = World(ScriptedProvider("cloud", Rejected("blocked")))
    await world.slot("cloud", failure_answer=FailureAnswer.BRANDED, branded=Branded("sparkle"))
    await world.submit()
    job = await world.work()
    assert (job.state, job.result) == (JobState.FAILED, None)


async def test_a_failure_answer_that_comes_second_is_removed() -> None:
    world = World()
    await world.slot("cloud", failure_answer=FailureAnswer.BRANDED)
    job = await world.submit()
    claim = await world.claim()

    async def meanwhile(request: ProviderRequest) -> bytes:
        good, _ = await world.pictures.store(job.id, picture("good"), limits=world.providers.limits)
        assert await world.completion.finalize_job(claim, good, provider_id="cloud", operation_id="enhance")
        return picture("branded")

    world.local.script.append(meanwhile)
    ended = await world.run(world.jobs.wait(job.id), within=WINDOW)
    assert ended.state is JobState.SUCCEEDED
    assert ended.result is not None
    assert await world.files() == [str(ended.result.file.key)]
    assert await world.content(ended.result.file.key) == picture("good")
