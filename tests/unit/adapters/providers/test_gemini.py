"""The `gemini` provider against a stand-in of the Gemini API on loopback."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.core.domain.errors import InvalidSettings
from photochanger.core.domain.media import Picture
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    Provider,
    ProviderContext,
    ProviderError,
    Rejected,
    Retryable,
)
from photochanger.testing import RemoteProviderContract

from tests.support import photos
from tests.support.ports import kept_port
from tests.support.standins import gemini, server
from tests.support.standins.calls import FixedContext
from tests.support.standins.controls import StandInControls
from tests.support.standins.gemini import KEY, GeminiStandIn
from tests.support.standins.gemini_calls import EDIT, PHOTO, STYLE, asked, error_of, large, sent_parts
from tests.support.standins.server import Answer, Behaviour

pytestmark = pytest.mark.anyio

FAR = "https://services.example/elsewhere"


@pytest.fixture
async def standin() -> AsyncIterator[GeminiStandIn]:
    async with GeminiStandIn() as standin:
        yield standin


@pytest.fixture
async def context(standin: GeminiStandIn) -> FixedContext:
    return FixedContext(secret=KEY, base_url=standin.url)


@pytest.fixture
async def provider(context: FixedContext) -> AsyncIterator[GeminiProvider]:
    provider = GeminiProvider(context)
    yield provider
    await provider.close()


class TestGeminiProvider(RemoteProviderContract):
    secret = KEY
    entries = (
        RouteEntry("gemini", "image_edit", {"prompt": "Oil painting", "aspect_ratio": "2:3", "image_size": "2K"}),
        RouteEntry("gemini", "style_transfer", {"temperature": 0.4}),
        RouteEntry("gemini", "identity_transfer"),
    )

    @pytest.fixture(autouse=True)
    async def _standin(self, standin: GeminiStandIn) -> None:
        self.base_url = standin.url
        self.controls = StandInControls(standin, refusal=gemini.without_content("IMAGE_SAFETY"))

    def service(self) -> StandInControls:
        return self.controls

    async def make_provider(self, context: ProviderContext) -> Provider:
        return GeminiProvider(context)


async def test_an_edit_sends_photo_and_prompt_and_brings_the_picture(
    provider: GeminiProvider, standin: GeminiStandIn
) -> None:
    result = await provider.process(asked())
    assert result.data == gemini.PICTURE
    (call,) = standin.received
    assert call.path == f"/v1/models/{gemini.MODEL}:generateContent"
    assert call.headers["x-goog-api-key"] == KEY
    image, text = sent_parts(standin)
    assert base64.urlsafe_b64decode(image["inlineData"]["data"]) == PHOTO.data
    assert text == {"text": EDIT["prompt"]}
    assert call.json()["generationConfig"] == {"responseModalities": ["IMAGE"]}


async def test_settings_reach_the_model(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    standin.models.append("gemini-9-image")
    settings = {
        "model": "gemini-9-image",
        "aspect_ratio": "21:9",
        "image_size": "4K",
        "temperature": 0,
        "thinking_level": "high",
        "seed": 4711,
    }
    result = await provider.process(asked(settings=EDIT | settings))
    assert result.seed == 4711
    assert "gemini-9-image" in standin.received[0].path
    assert standin.received[0].json()["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "21:9", "imageSize": "4K"},
        "temperature": 0,
        "thinkingConfig": {"thinkingLevel": "HIGH"},
        "seed": 4711,
    }


@pytest.mark.parametrize(("operation_id", "role"), [("style_transfer", "style"), ("identity_transfer", "face")])
async def test_a_template_stands_between_photo_and_prompt(
    provider: GeminiProvider, standin: GeminiStandIn, operation_id: str, role: str
) -> None:
    await provider.process(asked(operation_id, {}, templates={role: STYLE, "other": PHOTO}))
    photo, template, prompt = sent_parts(standin)
    assert base64.urlsafe_b64decode(photo["inlineData"]["data"]) == PHOTO.data
    assert base64.urlsafe_b64decode(template["inlineData"]["data"]) == STYLE.data
    assert "second" in prompt["text"], "the prompt of its own speaks of both pictures"


@pytest.mark.parametrize(("operation_id", "role"), [("style_transfer", "style"), ("identity_transfer", "face")])
async def test_a_missing_template_is_refused_without_a_call(
    provider: GeminiProvider, standin: GeminiStandIn, operation_id: str, role: str
) -> None:
    trouble = await error_of(provider, asked(operation_id, {}))
    assert type(trouble) is Rejected
    assert role in trouble.reason
    assert standin.received == []


async def test_every_type_that_it_accepts_is_accepted_by_the_service(provider: GeminiProvider) -> None:
    files = {
        "image/jpeg": photos.jpeg(64, 48),
        "image/png": photos.png(64, 48),
        "image/webp": photos.webp(64, 48),
        "image/heic": photos.heic(64, 48),
        "image/heif": photos.heic(64, 48),
    }
    (mimes,) = {operation.needs.mimes for operation in provider.info.operations}
    assert set(mimes) == set(files)
    for mime in mimes:
        await provider.process(asked(photo=Picture(files[mime], mime, 64, 48)))


async def test_remarks_tell_model_reason_and_tokens(provider: GeminiProvider) -> None:
    result = await provider.process(asked())
    assert result.remarks == {
        "model": gemini.MODEL,
        "finish_reason": "STOP",
        "response_id": "resp-4711",
        "usage": {"prompt_tokens": 1301, "output_tokens": 1290, "total_tokens": 2591},
    }


@pytest.mark.parametrize("behaviour", [server.hang, server.drip()])
async def test_a_call_never_outlives_its_time(
    provider: GeminiProvider, standin: GeminiStandIn, behaviour: Behaviour
) -> None:
    await provider.process(asked())

    async def attempt(seconds: float) -> ProviderError:
        return await error_of(provider, asked(within=timedelta(seconds=seconds)))

    assert type(await server.end_of_window(standin, behaviour, attempt)) is Down


async def test_without_time_the_service_is_not_asked(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    assert type(await error_of(provider, asked(within=timedelta(seconds=-1)))) is Retryable
    assert standin.received == []


async def test_the_service_is_told_how_long_somebody_waits(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    await provider.process(asked(within=timedelta(minutes=5)))
    assert 0 < int(standin.received[0].headers["x-server-timeout"]) <= 300


async def test_nobody_there_is_down() -> None:
    with kept_port() as nobody:
        provider = GeminiProvider(FixedContext(secret=KEY, base_url=f"http://127.0.0.1:{nobody}"))
        assert type(await error_of(provider)) is Down
    await provider.close()


async def test_a_cancelled_call_ends_its_connection(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    standin.script(server.hang)
    call = asyncio.create_task(provider.process(asked()))
    await asyncio.wait_for(standin.until(lambda: len(standin.received) == 1), 60)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(standin.until(lambda: standin.hang_ups == 1), 60)


async def test_an_answer_beyond_all_bounds_is_given_up(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    standin.script(server.flood(120 * 1024 * 1024, head=b'{"responseId": "'))
    trouble = await error_of(provider)
    assert type(trouble) is Retryable
    assert trouble.reason == "The answer is too large."


async def test_a_picture_of_sixty_megabytes_is_taken(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    head = b'{"candidates": [{"finishReason": "STOP", "content": {"parts": [{"inlineData": {"data": "'
    tail = b'", "mimeType": "image/png"}}]}}], "responseId": "r"}'
    standin.script(server.flood(80_000_000, head=head, tail=tail))
    assert len((await provider.process(asked())).data) == 60_000_000


@pytest.mark.parametrize("model", ["", "../secrets", "a..b", "a?key=1", "a&b", "models/", "files/x", "a b", "ы", "a\n"])
async def test_a_model_name_that_would_leave_its_place_in_the_path_is_refused(
    provider: GeminiProvider, standin: GeminiStandIn, model: str
) -> None:
    with pytest.raises(InvalidSettings):
        provider.check_settings("image_edit", EDIT | {"model": model})
    with pytest.raises(Rejected):
        await provider.process(asked(settings=EDIT | {"model": model}))
    assert standin.received == []


async def test_without_a_key_nothing_is_asked(standin: GeminiStandIn) -> None:
    for key in (None, ""):
        provider = GeminiProvider(FixedContext(secret=key, base_url=standin.url))
        assert type(await error_of(provider)) is NotConfigured
        await provider.close()
    assert standin.received == []


async def test_a_changed_key_is_used_by_the_next_call(
    provider: GeminiProvider, context: FixedContext, standin: GeminiStandIn
) -> None:
    context.secret = "AIzaSy-wrong"
    assert type(await error_of(provider)) is NotConfigured
    context.secret = KEY
    await provider.process(asked())
    assert [call.headers["x-goog-api-key"] for call in standin.received] == ["AIzaSy-wrong", KEY]


async def test_a_key_that_no_header_can_carry_is_told_without_it(
    provider: GeminiProvider, context: FixedContext, standin: GeminiStandIn
) -> None:
    context.secret = "ключ-от-всего"
    trouble = await error_of(provider)
    assert "ключ" not in trouble.reason
    assert standin.received == []


async def test_calls_share_one_connection(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    for _ in range(3):
        await provider.process(asked())
    assert standin.connections == 1


async def test_nothing_is_taken_from_the_environment(
    provider: GeminiProvider, standin: GeminiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GOOGLE_API_KEY": "AIzaSy-google-env",
        "GEMINI_API_KEY": "AIzaSy-gemini-env",
        "GOOGLE_GEMINI_BASE_URL": FAR,
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_GENAI_USE_ENTERPRISE": "true",
        "GOOGLE_GENAI_API_VERSION": "v9",
        "GOOGLE_GENAI_CLIENT_MODE": "replay",
        "GOOGLE_CLOUD_PROJECT": "somebody-elses",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "SSL_CERT_FILE": "/nowhere/at/all.pem",
    }.items():
        monkeypatch.setenv(name, value)
    await provider.process(asked())
    (call,) = standin.received
    assert call.headers["x-goog-api-key"] == KEY
    assert not [text for text in call.headers.values() if "env" in text or "somebody" in text]


async def test_neither_key_nor_picture_gets_into_a_log(
    provider: GeminiProvider, standin: GeminiStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await provider.process(asked())
    standin.script(
        gemini.bad_key(), server.reset, gemini.content([{"inlineData": {"data": "!", "mimeType": "image/png"}}])
    )
    for _ in range(3):
        await error_of(provider)
    style = large(13_000_000)
    result = await provider.process(asked("style_transfer", {}, photo=large(7_000_000), templates={"style": style}))
    await provider.diagnose([])
    await provider.close()
    said = caplog.text + repr(result) + repr(provider) + repr(asked())
    for secret in (KEY, KEY[:16], "upload-session"):
        assert secret not in said
    for encoded in (base64.b64encode(PHOTO.data), base64.urlsafe_b64encode(PHOTO.data), base64.b64encode(result.data)):
        assert encoded[:40].decode() not in said
    assert repr(PHOTO.data[:12])[2:-1] not in said


@pytest.mark.parametrize(
    ("operation_id", "settings", "field"),
    [
        ("image_edit", {}, "prompt"),
        ("image_edit", {"prompt": ""}, "prompt"),
        ("image_edit", {"prompt": "x", "aspect_ratio": "7:5"}, "aspect_ratio"),
        ("image_edit", {"prompt": "x", "image_size": "8K"}, "image_size"),
        ("image_edit", {"prompt": "x", "temperature": 2.1}, "temperature"),
        ("image_edit", {"prompt": "x", "thinking_level": "HIGH"}, "thinking_level"),
        ("image_edit", {"prompt": "x", "seed": 2**31}, "seed"),
        ("image_edit", {"prompt": "x", "person_generation": "adults"}, "person_generation"),
        ("image_edit", {"prompt": "x", "top_p": 0.5}, "top_p"),
        ("image_edit", {"prompt": "x", "output_mime_type": "image/jpeg"}, "output_mime_type"),
        ("style_transfer", {"model": ""}, "model"),
        ("paint", {}, "operation_id"),
    ],
)
async def test_settings_that_do_not_fit_are_named(
    provider: GeminiProvider, operation_id: str, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        provider.check_settings(operation_id, settings)
    assert [error.field for error in refused.value.errors] == [field]


async def test_a_diagnosis_names_the_models_that_the_service_does_not_know(
    provider: GeminiProvider, standin: GeminiStandIn
) -> None:
    standin.models[:0] = [f"gemini-filler-{number}" for number in range(1200)]
    findings = await provider.diagnose(
        [
            RouteEntry("gemini", "image_edit", EDIT),
            RouteEntry("gemini", "image_edit", EDIT | {"model": f"models/{gemini.MODEL}"}),
            RouteEntry("gemini", "style_transfer", {"model": "gemini-0-image"}),
            RouteEntry("openai", "image_edit", {"model": "gpt-image-0"}),
        ]
    )
    assert len(findings) == 1
    assert "gemini-0-image" in findings[0].detail
    assert len(standin.calls("models")) == 2, "the list has pages"
    assert standin.calls() == [], "a diagnosis makes no picture"


@pytest.mark.parametrize(
    ("behaviour", "word"),
    [
        (gemini.bad_key(), "refuses the key"),
        (gemini.error(500, "INTERNAL", "Sorry."), "500"),
        (server.html(), "JSON"),
        (server.reset, "connection to the host broke"),
        (server.json_answer({"models": []}), "empty"),
        (server.json_answer({"models": "words"}), "another shape"),
        (server.json_answer([1]), "another shape"),
    ],
)
async def test_a_diagnosis_says_what_is_wrong_with_key_or_service(
    provider: GeminiProvider, standin: GeminiStandIn, behaviour: Behaviour | Answer, word: str
) -> None:
    standin.script(behaviour, call="models")
    (finding,) = await provider.diagnose([RouteEntry("gemini", "image_edit", EDIT)])
    assert word in finding.detail
    assert KEY not in finding.detail


async def test_a_missing_key_is_told_where_the_provider_is_used(
    provider: GeminiProvider, context: FixedContext
) -> None:
    context.secret = None
    (finding,) = await provider.diagnose([RouteEntry("gemini", "image_edit", EDIT)])
    assert finding.code is ProviderFindingCode.KEY_MISSING
    assert await provider.diagnose([RouteEntry("openai", "image_edit", EDIT)]) == []


async def test_a_provider_can_be_used_again_after_it_was_closed(provider: GeminiProvider) -> None:
    await provider.process(asked())
    await provider.close()
    assert (await provider.process(asked())).data == gemini.PICTURE
