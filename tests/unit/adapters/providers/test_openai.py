"""The `openai` provider against a stand-in of OpenAI's API on loopback."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.openai.provider import OpenAIProvider
from photochanger.core.domain.errors import InvalidSettings
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

from tests.support.ports import kept_port
from tests.support.standins import openai, server
from tests.support.standins.calls import FixedContext
from tests.support.standins.controls import StandInControls
from tests.support.standins.openai import KEY, OpenAIStandIn
from tests.support.standins.openai_calls import EDIT, FACE, PHOTO, STYLE, asked, error_of, sent_files, sent_texts
from tests.support.standins.server import Answer, Behaviour

pytestmark = pytest.mark.anyio

FAR = "https://services.example/elsewhere"


@pytest.fixture
async def standin() -> AsyncIterator[OpenAIStandIn]:
    async with OpenAIStandIn() as standin:
        yield standin


@pytest.fixture
async def context(standin: OpenAIStandIn) -> FixedContext:
    return FixedContext(secret=KEY, base_url=standin.base_url)


@pytest.fixture
async def provider(context: FixedContext) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(context)
    yield provider
    await provider.close()


class TestOpenAIProvider(RemoteProviderContract):
    secret = KEY
    entries = (
        RouteEntry("openai", "image_edit", {"prompt": "Oil painting"}),
        RouteEntry("openai", "image_edit", {"prompt": "Oil painting", "size": "1536x1024", "output_format": "webp"}),
    )

    @pytest.fixture(autouse=True)
    async def _standin(self, standin: OpenAIStandIn) -> None:
        self.base_url = standin.base_url
        self.controls = StandInControls(
            standin,
            refusal=openai.error(400, "Your request was rejected by the safety system.", code="moderation_blocked"),
        )

    def service(self) -> StandInControls:
        return self.controls

    async def make_provider(self, context: ProviderContext) -> Provider:
        return OpenAIProvider(context)


async def test_an_edit_sends_photo_and_prompt_and_brings_the_picture(
    provider: OpenAIProvider, standin: OpenAIStandIn
) -> None:
    result = await provider.process(asked())
    assert result.data == openai.PICTURE
    (call,) = standin.received
    assert call.path == "/v1/images/edits"
    assert sent_files(standin) == [PHOTO.data]
    assert sent_texts(standin) == {
        "prompt": EDIT["prompt"],
        "model": openai.MODEL,
        "n": "1",
        "size": "auto",
        "quality": "auto",
        "output_format": "jpeg",
    }


async def test_settings_reach_the_model(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    settings = {
        "model": "gpt-image-2",
        "size": "1536x864",
        "quality": "xhigh",
        "complexity": "low",
        "input_fidelity": "high",
        "output_format": "webp",
        "output_compression": 0,
        "background": "transparent",
    }
    await provider.process(asked(EDIT | settings))
    assert sent_texts(standin) == {name: str(value) for name, value in (EDIT | settings | {"n": 1}).items()}


async def test_templates_follow_the_photo_in_the_order_of_their_keys(
    provider: OpenAIProvider, standin: OpenAIStandIn
) -> None:
    await provider.process(asked(templates={"style": STYLE, "face": FACE}))
    assert sent_files(standin) == [PHOTO.data, FACE.data, STYLE.data]


@pytest.mark.parametrize("behaviour", [server.hang, server.drip()])
async def test_a_call_never_outlives_its_time(
    provider: OpenAIProvider, standin: OpenAIStandIn, behaviour: Behaviour
) -> None:
    await provider.process(asked())

    async def attempt(seconds: float) -> ProviderError:
        return await error_of(provider, asked(within=timedelta(seconds=seconds)))

    assert type(await server.end_of_window(standin, behaviour, attempt)) is Down


async def test_without_time_the_service_is_not_asked(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    assert type(await error_of(provider, asked(within=timedelta(seconds=-1)))) is Retryable
    assert standin.received == []


async def test_nobody_there_is_down() -> None:
    with kept_port() as nobody:
        provider = OpenAIProvider(FixedContext(secret=KEY, base_url=f"http://127.0.0.1:{nobody}/v1"))
        assert type(await error_of(provider)) is Down
    await provider.close()


async def test_a_cancelled_call_ends_its_connection(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    standin.script(server.hang)
    call = asyncio.create_task(provider.process(asked()))
    await asyncio.wait_for(standin.until(lambda: len(standin.received) == 1), 60)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(standin.until(lambda: standin.hang_ups == 1), 60)


async def test_an_answer_beyond_all_bounds_is_given_up(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    standin.script(server.flood(120 * 1024 * 1024, head=b'{"data": [{"b64_json": "'))
    trouble = await error_of(provider)
    assert type(trouble) is Retryable
    assert trouble.reason == "The answer is too large."


async def test_a_picture_of_sixty_megabytes_is_taken(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    standin.script(server.flood(80_000_000, head=b'{"created": 1, "data": [{"b64_json": "', tail=b'"}]}'))
    assert len((await provider.process(asked())).data) == 60_000_000


async def test_without_a_key_nothing_is_asked(standin: OpenAIStandIn) -> None:
    for key in (None, ""):
        provider = OpenAIProvider(FixedContext(secret=key, base_url=standin.base_url))
        assert type(await error_of(provider)) is NotConfigured
        await provider.close()
    assert standin.received == []


async def test_a_changed_key_is_used_by_the_next_call(
    provider: OpenAIProvider, context: FixedContext, standin: OpenAIStandIn
) -> None:
    context.secret = "sk-wrong"
    assert type(await error_of(provider)) is NotConfigured
    context.secret = KEY
    await provider.process(asked())
    assert [call.headers["authorization"] for call in standin.received] == ["Bearer sk-wrong", f"Bearer {KEY}"]


async def test_calls_share_one_connection(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    for _ in range(3):
        await provider.process(asked())
    assert standin.connections == 1


async def test_nothing_is_taken_from_the_environment(
    provider: OpenAIProvider, standin: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OPENAI_API_KEY": "sk-env",
        "OPENAI_ADMIN_KEY": "sk-admin-env",
        "OPENAI_BASE_URL": FAR,
        "OPENAI_ORG_ID": "org-env",
        "OPENAI_PROJECT_ID": "proj-env",
        "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-env\nX-Extra: env",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "SSL_CERT_FILE": "/nowhere/at/all.pem",
    }.items():
        monkeypatch.setenv(name, value)
    await provider.process(asked())
    (call,) = standin.received
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert not [text for text in call.headers.values() if "env" in text]


async def test_only_needed_headers_leave(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    await provider.process(asked())
    assert set(standin.received[0].headers) == {
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }


async def test_neither_key_nor_picture_gets_into_a_log(
    provider: OpenAIProvider, standin: OpenAIStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    result = await provider.process(asked(templates={"style": STYLE}))
    standin.script(openai.bad_key(KEY), server.reset, openai.data([{"b64_json": "!"}]))
    for _ in range(3):
        await error_of(provider)
    await provider.diagnose([])
    await provider.close()
    said = caplog.text + repr(result) + repr(provider) + repr(asked())
    assert KEY not in said
    assert KEY[:12] not in said
    for data in (PHOTO.data, STYLE.data, result.data):
        assert base64.b64encode(data)[:40].decode() not in said
        assert repr(data[:12])[2:-1] not in said


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"prompt": "x", "size": "1024"}, "size"),
        ({"prompt": "x", "size": "1024x1024\n"}, "size"),
        ({"prompt": "x", "quality": "best"}, "quality"),
        ({"prompt": "x", "input_fidelity": "medium"}, "input_fidelity"),
        ({"prompt": "x", "complexity": "max"}, "complexity"),
        ({"prompt": "x", "output_format": "gif"}, "output_format"),
        ({"prompt": "x", "output_compression": 101}, "output_compression"),
        ({"prompt": "x", "output_compression": 50, "output_format": "png"}, "output_compression"),
        ({"prompt": "x", "background": "transparent"}, "background"),
        ({"prompt": "x", "model": ""}, "model"),
        ({"prompt": "x", "n": 2}, "n"),
    ],
)
async def test_settings_that_do_not_fit_are_named(
    provider: OpenAIProvider, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        provider.check_settings("image_edit", settings)
    assert [error.field for error in refused.value.errors] == [field]
    with pytest.raises(Rejected):
        await provider.process(asked(settings))


async def test_a_diagnosis_names_the_models_that_the_service_does_not_know(
    provider: OpenAIProvider, standin: OpenAIStandIn
) -> None:
    findings = await provider.diagnose(
        [
            RouteEntry("openai", "image_edit", EDIT),
            RouteEntry("openai", "image_edit", EDIT | {"model": "gpt-image-0"}),
            RouteEntry("gemini", "image_edit", EDIT | {"model": "gemini-0-image"}),
        ]
    )
    assert len(findings) == 1
    assert "gpt-image-0" in findings[0].detail
    assert standin.calls() == [], "a diagnosis makes no picture"


@pytest.mark.parametrize(
    ("behaviour", "word"),
    [
        (openai.bad_key(KEY), "refuses the key"),
        (openai.error(500, "Sorry."), "500"),
        (server.html(), "other than JSON"),
        (server.reset, "connection to the host broke"),
        (server.json_answer({"object": "list", "data": []}), "empty"),
        (server.json_answer({"data": "words"}), "another shape"),
        (server.json_answer([1]), "another shape"),
    ],
)
async def test_a_diagnosis_says_what_is_wrong_with_key_or_service(
    provider: OpenAIProvider, standin: OpenAIStandIn, behaviour: Behaviour | Answer, word: str
) -> None:
    standin.script(behaviour, call="models")
    (finding,) = await provider.diagnose([RouteEntry("openai", "image_edit", EDIT)])
    assert word in finding.detail
    assert KEY[:8] not in finding.detail


async def test_a_missing_key_is_told_where_the_provider_is_used(
    provider: OpenAIProvider, context: FixedContext
) -> None:
    context.secret = None
    (finding,) = await provider.diagnose([RouteEntry("openai", "image_edit", EDIT)])
    assert finding.code is ProviderFindingCode.KEY_MISSING
    assert await provider.diagnose([RouteEntry("gemini", "image_edit", EDIT)]) == []


async def test_a_provider_can_be_used_again_after_it_was_closed(provider: OpenAIProvider) -> None:
    await provider.process(asked())
    await provider.close()
    assert (await provider.process(asked())).data == openai.PICTURE
