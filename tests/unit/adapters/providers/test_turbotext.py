"""The provider `turbotext` against a stand-in of its service that is strict about every field: what it does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
from photochanger.adapters.providers.turbotext.provider import TurbotextProvider
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import NotConfigured, Provider, ProviderContext, Rejected, Retryable
from photochanger.testing import RemoteProviderContract

from tests.support.standins.calls import FixedContext, References, provider_request
from tests.support.standins.server import Answer, Held, Received, flood, hang, json_answer
from tests.support.standins.turbotext import KEY, TurbotextStandIn, fetch_pictures
from tests.support.standins.turbotext_calls import (
    FACE_URL,
    LINKS,
    PHOTO_URL,
    PROMPT,
    STYLE_URL,
    TICK,
    TurbotextControls,
    context,
    edited,
    error_of,
    service,
    turbotext,
)

pytestmark = pytest.mark.anyio

__all__ = ["context", "service", "turbotext"]


@pytest.mark.parametrize(
    ("operation_id", "settings", "method", "fields"),
    [
        (
            "image_edit",
            PROMPT,
            "generate_image2image",
            {
                "url": PHOTO_URL,
                "content": "An oil painting of Ада & Ben",
                "strength": "40",
                "scale": "7.5",
                "original_language": "ru",
                "user_id": "1",
            },
        ),
        (
            "image_edit",
            {
                "prompt": "p",
                "negative_prompt": "n",
                "strength": 80,
                "scale": 20,
                "seed": 10**10,
                "original_language": "en",
                "user_id": 9,
            },
            "generate_image2image",
            {
                "url": PHOTO_URL,
                "content": "p",
                "negative_prompt": "n",
                "strength": "80",
                "scale": "20.0",
                "seed": "10000000000",
                "original_language": "en",
                "user_id": "9",
            },
        ),
        ("style_transfer", {}, "mix_images", {"url_image_target": PHOTO_URL, "url": STYLE_URL}),
        (
            "style_transfer",
            {"prompt": "bold"},
            "mix_images",
            {"url_image_target": PHOTO_URL, "url": STYLE_URL, "content": "bold"},
        ),
        (
            "identity_transfer",
            {},
            "deepfake_photo",
            {"url": FACE_URL, "url_image_target": PHOTO_URL, "face_restore": "True"},
        ),
        (
            "identity_transfer",
            {"direction": "template_onto_guest", "face_restore": False},
            "deepfake_photo",
            {"url": PHOTO_URL, "url_image_target": FACE_URL, "face_restore": "False"},
        ),
    ],
)
async def test_every_operation_sends_its_form_and_brings_the_picture(
    service: TurbotextStandIn,
    turbotext: TurbotextProvider,
    operation_id: str,
    settings: dict[str, Any],
    method: str,
    fields: dict[str, str],
) -> None:
    result = await turbotext.process(provider_request(operation_id, settings, **LINKS))
    assert result.data == service.picture
    assert service.queued == {"4711": (method, fields)}
    assert result.remarks == {"queueid": "4711", "resumed": False}


@pytest.mark.parametrize("first_id", [4711, "a-4711"])
@pytest.mark.parametrize("under_data", [False, True])
async def test_the_answers_may_have_either_form(
    service: TurbotextStandIn, turbotext: TurbotextProvider, first_id: int | str, under_data: bool
) -> None:
    service.first_id, service.under_data = first_id, under_data
    references = References()
    assert (await edited(turbotext, references=references)).data == service.picture
    assert references.noted == [str(first_id)]


async def test_the_result_is_asked_for_until_it_is_there(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    service.reconnects = 7
    await edited(turbotext)
    assert [len(service.calls(call)) for call in ("create", "poll")] == [1, 8]
    assert len(service.pictures.received) == 1


async def test_the_reference_is_saved_before_anything_is_asked(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    seen: list[tuple[str, int]] = []

    async def note(reference: str) -> None:
        seen.append((reference, len(service.calls("poll"))))

    await edited(turbotext, note_reference=note)
    assert seen == [("4711", 0)]


async def test_the_service_may_fetch_the_pictures_by_their_links(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    service.script(fetch_pictures, fetch_pictures, call="create")
    link = service.pictures.put(service.picture)
    assert (await edited(turbotext, photo_url=link)).data == service.picture
    error = await error_of(turbotext, photo_url=f"{service.url}/nothing-here")
    assert (type(error), "url_error" in error.reason) == (Rejected, True)


async def test_a_saved_reference_is_gone_on_with_and_nothing_is_queued(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    references = References()
    await edited(turbotext)
    result = await edited(turbotext, reference="4711", references=references, photo_url=None)
    assert (result.data, result.remarks["resumed"]) == (service.picture, True)
    assert (len(service.calls("create")), references.noted) == (1, [])


async def test_a_reference_that_is_no_longer_known_is_worth_a_fresh_call(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    error = await error_of(turbotext, reference="99")
    assert type(error) is Retryable
    assert service.calls("create") == []
    assert (await edited(turbotext)).data == service.picture


async def test_a_picture_of_60_megabytes_comes_whole(service: TurbotextStandIn, turbotext: TurbotextProvider) -> None:
    size = 60 * 1024 * 1024
    service.pictures.script(flood(size, head=service.picture, content_type="image/png"))
    assert len((await edited(turbotext)).data) == len(service.picture) + size


async def test_a_cancelled_call_stops_at_once(service: TurbotextStandIn, turbotext: TurbotextProvider) -> None:
    service.script(hang, call="poll")
    task = asyncio.ensure_future(edited(turbotext))
    async with asyncio.timeout(60):
        await service.until(lambda: len(service.calls("poll")) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await service.until(lambda: service.hang_ups == 1)
    assert (await edited(turbotext)).data == service.picture


async def test_without_a_key_nothing_is_asked(service: TurbotextStandIn, context: FixedContext) -> None:
    turbotext = TurbotextProvider(context, poll_interval=TICK)
    for secret in (None, "", "line\nbreak", "schlüssel"):
        context.secret = secret
        error = await error_of(turbotext)
        assert type(error) is NotConfigured
        assert not secret or secret not in error.reason
    assert service.received == []
    await turbotext.close()


async def test_a_key_that_was_changed_is_used_for_the_next_call(
    service: TurbotextStandIn, turbotext: TurbotextProvider, context: FixedContext
) -> None:
    await edited(turbotext)
    context.secret = service.key = "another-key"
    assert (await edited(turbotext)).data == service.picture


@pytest.mark.parametrize(
    ("operation_id", "settings", "missing"),
    [("image_edit", PROMPT, "photo_url"), ("style_transfer", {}, "photo_url"), ("style_transfer", {}, "template_urls")],
)
async def test_without_public_links_the_operator_is_told_what_to_set(
    service: TurbotextStandIn, turbotext: TurbotextProvider, operation_id: str, settings: dict[str, Any], missing: str
) -> None:
    links = {**LINKS, missing: None if missing == "photo_url" else {}}
    with pytest.raises(NotConfigured, match="PHOTOCHANGER_PUBLIC_BASE_URL"):
        await turbotext.process(provider_request(operation_id, settings, **links))
    assert service.received == []


@pytest.mark.parametrize(("operation_id", "role"), [("style_transfer", "style"), ("identity_transfer", "face")])
async def test_an_operation_without_its_template_is_refused(
    turbotext: TurbotextProvider, operation_id: str, role: str
) -> None:
    with pytest.raises(Rejected, match=role):
        await turbotext.process(provider_request(operation_id, photo_url=PHOTO_URL))


@pytest.mark.parametrize(
    ("operation_id", "settings", "field"),
    [
        ("image_edit", {}, "prompt"),
        ("image_edit", {"prompt": ""}, "prompt"),
        ("image_edit", {**PROMPT, "strength": 81}, "strength"),
        ("image_edit", {**PROMPT, "strength": 0.5}, "strength"),
        ("image_edit", {**PROMPT, "scale": 0}, "scale"),
        ("image_edit", {**PROMPT, "seed": 0}, "seed"),
        ("image_edit", {**PROMPT, "seed": 10**10 + 1}, "seed"),
        ("image_edit", {**PROMPT, "original_language": "russian"}, "original_language"),
        ("image_edit", {**PROMPT, "model": "x"}, "model"),
        ("style_transfer", {"strength": 5}, "strength"),
        ("identity_transfer", {"direction": "sideways"}, "direction"),
        ("identity_transfer", {"face_restore": "True"}, "face_restore"),
        ("upscale", {}, "operation_id"),
    ],
)
async def test_settings_that_do_not_fit_are_named(
    service: TurbotextStandIn, turbotext: TurbotextProvider, operation_id: str, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        turbotext.check_settings(operation_id, settings)
    assert [error.field for error in raised.value.errors] == [field]
    with pytest.raises(Rejected):
        await turbotext.process(provider_request(operation_id, settings, **LINKS))
    assert service.received == []


def test_what_it_says_of_itself_makes_a_form() -> None:
    info = TurbotextProvider(FixedContext()).info
    assert (info.id, info.needs_key, info.needs_public_url, info.max_concurrent) == ("turbotext", True, True, 2)
    for operation in info.operations:
        schema = operation.settings_schema
        jsonschema.Draft202012Validator.check_schema(schema)
        for name, field in schema["properties"].items():
            assert field["title"], name
            assert field["description"], name
        assert set(operation.prompts) <= set(schema["properties"])
    roles = {operation.id: operation.template_roles for operation in info.operations}
    assert roles == {"image_edit": (), "style_transfer": ("style",), "identity_transfer": ("face",)}


async def test_calls_run_side_by_side(service: TurbotextStandIn, turbotext: TurbotextProvider) -> None:
    held = Held()
    service.script(held, call="create")
    first = asyncio.ensure_future(edited(turbotext))
    async with asyncio.timeout(60):
        await service.until(lambda: len(service.calls("create")) == 1)
        assert (await edited(turbotext)).data == service.picture
        held.release()
        assert (await first).data == service.picture


async def test_neither_key_nor_links_nor_pictures_reach_log_or_repr(
    service: TurbotextStandIn, turbotext: TurbotextProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpcore2")  # other providers make it quieter for the whole process
    request = provider_request("image_edit", PROMPT, **LINKS)
    result = await turbotext.process(request)
    echo = {"success": False, "error": f"no: Bearer {KEY} for {PHOTO_URL} {'/9j/4AAQ' * 30}"}
    service.script(json_answer(echo), call="create")
    error = await error_of(turbotext)
    told = f"{caplog.text} {error!r} {error.reason} {result!r} {result.remarks} {turbotext!r} {turbotext.__dict__}"
    for hidden in (KEY, PHOTO_URL, "result.png", "/9j/4AAQ", "IHDR"):
        assert hidden not in told
    assert "no: Bearer [secret] for [link] […]" in error.reason
    assert any(record.name.startswith("httpcore2") for record in caplog.records)


async def test_a_diagnosis_says_what_is_missing(service: TurbotextStandIn, context: FixedContext) -> None:
    used = [RouteEntry("turbotext", "image_edit", PROMPT)]

    async def told(**changes: Any) -> list[str]:
        values = {"secret": KEY, "base_url": service.url, **changes}
        turbotext = TurbotextProvider(FixedContext(**values))
        try:
            return [finding.detail for finding in await turbotext.diagnose(used)]
        finally:
            await turbotext.close()

    assert await told() == []
    (no_key,) = await told(secret=None)
    assert "PHOTOCHANGER_TURBOTEXT_API_KEY" in no_key
    (no_address,) = await told(base_url="turbotext")
    assert "PHOTOCHANGER_TURBOTEXT_BASE_URL" in no_address
    service.script(Answer(503), flood(5 * 1024 * 1024), call="page")
    (in_trouble,) = await told()
    assert "503" in in_trouble
    assert await told() == []
    await service.__aexit__()
    (not_there,) = await told()
    assert "does not answer" in not_there
    assert service.calls("create") == []


async def test_a_closed_provider_opens_again_and_closes_again(
    service: TurbotextStandIn, turbotext: TurbotextProvider
) -> None:
    await turbotext.close()
    assert (await edited(turbotext)).data == service.picture
    await turbotext.close()
    await turbotext.close()


class TestTurbotextKeepsTheContract(RemoteProviderContract):
    """What the service relies on of any provider."""

    secret = KEY
    cancels = False
    resumes = True
    entries = (
        RouteEntry("turbotext", "image_edit", {"prompt": "oil", "seed": 5}),
        RouteEntry("turbotext", "style_transfer"),
        RouteEntry("turbotext", "identity_transfer", {"direction": "template_onto_guest"}),
    )

    @pytest.fixture(autouse=True)
    async def stand_in(self) -> AsyncIterator[None]:
        async with TurbotextStandIn() as running:
            self.base_url = running.url
            self.controls = TurbotextControls(running)
            yield

    def service(self) -> TurbotextControls:
        return self.controls

    async def make_provider(self, context: ProviderContext) -> Provider:
        return TurbotextProvider(context, poll_interval=TICK)


@pytest.mark.parametrize(
    ("method", "form"),
    [
        ("generate_image2image", "do=create_queue&url=https%3A%2F%2Fa.example%2Fb"),
        ("generate_image2image", "do=create_queue&url=nowhere&content=x"),
        ("generate_image2image", "do=create_queue&url=https%3A%2F%2Fa.example%2Fb&content=x&strength=81"),
        ("generate_image2image", "do=create_queue&url=https%3A%2F%2Fa.example%2Fb&content=x&model=y"),
        ("deepfake_photo", "do=create_queue&url=http%3A%2F%2Fa%2Fb&url_image_target=http%3A%2F%2Fa%2Fb&face_restore=1"),
        ("mix_images", "do=create_queue&url=https%3A%2F%2Fa.example%2Fb"),
        ("mix_images", "do=get_result"),
        ("mix_images", "do=nothing"),
    ],
)
def test_the_stand_in_refuses_what_the_service_would(method: str, form: str) -> None:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/x-www-form-urlencoded"}
    request = Received(method="POST", path=f"/api_ai/{method}", query={}, headers=headers, body=form.encode())
    refusal = TurbotextStandIn().check(request)
    assert refusal is not None
    assert b"params_error" in refusal.body
