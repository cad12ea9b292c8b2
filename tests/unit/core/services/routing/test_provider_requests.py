"""What a provider is asked: prompts filled in, public links that end with the job, and its own earlier work named."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from photochanger.core.domain.errors import MediaExpired, QueueUnavailable
from photochanger.core.domain.job import LogEvent
from photochanger.core.domain.media import MediaKey, MediaKind
from photochanger.core.domain.slots.slot import Route, RouteEntry, Slot, TemplateBinding
from photochanger.core.ports.provider import ProviderRequest, Rejected, Retryable

from tests.support.world import SECOND, SLOT, ScriptedProvider, World, chunks, never, picture

pytestmark = pytest.mark.anyio


async def slot_with(world: World, *entries: RouteEntry, **route: object) -> None:
    await world.slots.add_missing([Slot(SLOT, "A slot", True, Route(entries=entries, **route))])


async def test_prompts_are_filled_from_the_fields_that_the_slot_allows() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    entry = RouteEntry("cloud", "enhance", {"prompt": "{guest} in {city}", "look": "{guest}"})
    await slot_with(world, entry, prompt_fields=("guest",))
    await world.submit(metadata={"guest": "Ada\nLovelace", "city": "London"})
    await world.work()
    assert cloud.calls[0].settings == {"prompt": "Ada Lovelace in {city}", "look": "{guest}"}


async def test_a_provider_that_fetches_by_url_gets_links_that_end_with_the_job() -> None:
    seen: dict[str, bytes] = {}

    async def fetches(request: ProviderRequest) -> bytes:
        assert request.photo_url is not None
        for name, url in {"photo": request.photo_url, **request.template_urls}.items():
            base, _, media_id = url.rpartition("/")
            assert base == "https://booth.example/public/media"
            ids.append(UUID(media_id))
            file = await world.media.public_media(UUID(media_id))
            seen[name] = await world.content(file.file.key)
        return picture("made")

    ids: list[UUID] = []
    world = World(cloud := ScriptedProvider("cloud", Retryable("busy"), fetches, needs_public_url=True))
    await world.store.put(MediaKind.TEMPLATES, "style-1", chunks(picture("style")), max_bytes=1000)
    await slot_with(world, RouteEntry("cloud", "enhance"), templates=(TemplateBinding("style", "style-1"),))
    await world.submit(picture("ada"))
    await world.work()
    assert seen == {"photo": picture("ada"), "style": picture("style")}
    assert cloud.calls[0].photo_url == cloud.calls[1].photo_url  # registered once, shared between attempts
    assert await world.files(MediaKind.MEDIA) == []
    for media_id in ids:
        with pytest.raises(MediaExpired):
            await world.media.public_media(media_id)


async def test_without_a_public_address_such_a_provider_is_passed_over_with_a_hint() -> None:
    world = World(cloud := ScriptedProvider("cloud", needs_public_url=True), public_base_url=None)
    await world.slot("cloud")
    job = await world.submit()
    ended = await world.work(within=timedelta(0))
    assert ended.error_code == "provider_not_configured"
    assert "PHOTOCHANGER_PUBLIC_BASE_URL" in (ended.error_detail or "")
    assert cloud.calls == []
    (attempt,) = await world.log(job, LogEvent.ATTEMPT)
    assert attempt["classification"] == "not_configured"


async def test_others_are_given_no_links() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud")
    await world.submit()
    await world.work()
    assert (cloud.calls[0].photo_url, cloud.calls[0].template_urls) == (None, {})
    assert "put" not in world.media_records.calls


async def noted_and_died(world: World, entry: str = "queue-17") -> None:
    """A worker that saved the provider's own name of its work and then fell silent."""

    async def notes(request: ProviderRequest) -> bytes:
        await request.note_reference(entry)
        return await never(request)

    cloud = world.providers.find("cloud", "enhance")[0]
    cloud.script.append(notes)  # type: ignore[attr-defined]
    work = await world.start_work()
    work.cancel()
    await world.clock.advance(20 * SECOND)


async def test_the_next_worker_goes_on_with_what_the_last_one_began() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud")
    await world.submit()
    await noted_and_died(world)
    await world.work()
    assert [call.reference for call in cloud.calls] == [None, "queue-17"]


async def test_a_resumed_call_that_fails_is_followed_by_a_fresh_one() -> None:
    world = World(cloud := ScriptedProvider("cloud"))
    await world.slot("cloud")
    await world.submit()
    await noted_and_died(world)
    cloud.script.append(Retryable("unknown queueid"))
    await world.work()
    assert [call.reference for call in cloud.calls] == [None, "queue-17", None]


async def test_work_begun_on_a_later_entry_is_gone_on_with_there_first() -> None:
    one = ScriptedProvider("one", Rejected("blocked"))
    world = World(one, cloud := ScriptedProvider("cloud"))
    await world.slot("one", "cloud")
    await world.submit()
    await noted_and_died(world)
    assert (await world.work()).provider_id == "cloud"
    assert len(one.calls) == 1
    assert cloud.calls[1].reference == "queue-17"


async def test_another_entry_is_never_given_a_reference_that_is_not_its_own() -> None:
    world = World(cloud := ScriptedProvider("cloud"), two := ScriptedProvider("two"))
    await world.slot("cloud", "two")
    await world.submit()
    await noted_and_died(world)
    cloud.script.append(Rejected("gone"))
    assert (await world.work()).provider_id == "two"
    assert two.calls[0].reference is None


async def test_a_reference_that_cannot_be_saved_costs_no_call() -> None:
    async def notes(request: ProviderRequest) -> bytes:
        await request.note_reference("queue-17")
        return picture("made")

    world = World(cloud := ScriptedProvider("cloud", notes))
    await world.slot("cloud")
    await world.submit()
    world.queue.faults["note_reference"] = QueueUnavailable("away")
    assert (await world.work()).provider_id == "cloud"
    assert len(cloud.calls) == 1


async def test_templates_come_within_the_providers_needs() -> None:
    world = World(cloud := ScriptedProvider("cloud", max_bytes=777))
    key = MediaKey(MediaKind.TEMPLATES, "face-1")
    await world.store.put(key.kind, key.name, chunks(picture("face", type="PNG")), max_bytes=1000)
    await slot_with(world, RouteEntry("cloud", "enhance"), templates=(TemplateBinding("face", "face-1"),))
    await world.submit()
    await world.work()
    assert set(cloud.calls[0].templates) == {"face"}
    assert [needs.max_bytes for needs in world.images.prepared] == [777, 777]
