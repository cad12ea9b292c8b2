"""The `gemini` provider with the key file of a service account: Vertex AI, against a stand-in on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.oauth2 import credentials
from photochanger.adapters.providers.gemini.access import service_account, with_api_key, with_token
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.adapters.system_clock import SYSTEM_CLOCK
from photochanger.core.domain.routing.provider_check import ProviderFindingCode
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.provider import Down, NotConfigured, Rejected, Retryable
from photochanger.testing import ProviderContract

from tests.support.standins import gemini, gemini_calls, server, vertex
from tests.support.standins.calls import FixedContext
from tests.support.standins.gemini_calls import EDIT, asked, error_of, large
from tests.support.standins.vertex import VertexStandIn

pytestmark = pytest.mark.anyio

ENTRY = RouteEntry("gemini", "image_edit", EDIT)


@pytest.fixture
async def standin() -> AsyncIterator[VertexStandIn]:
    async with VertexStandIn() as standin:
        yield standin


@pytest.fixture
async def context(standin: VertexStandIn) -> FixedContext:
    place = f"{standin.url}/v1beta1/projects/{vertex.PROJECT}/locations/{vertex.LOCATION}"
    private = (standin.url.removeprefix("http://"),)
    return FixedContext(secret=standin.account(), base_url=place, private_hosts=private)


@pytest.fixture
async def provider(context: FixedContext) -> AsyncIterator[GeminiProvider]:
    provider = GeminiProvider(context)
    yield provider
    await provider.close()


async def test_a_picture_is_made_with_a_token_that_is_kept(provider: GeminiProvider, standin: VertexStandIn) -> None:
    for _ in range(2):
        assert (await provider.process(asked())).data == gemini.PICTURE
    assert standin.refused == []
    assert len(standin.calls("token")) == 1
    assert [call.headers["authorization"] for call in standin.calls()] == ["Bearer ya29.stand-in-1"] * 2


async def test_calls_at_once_share_one_token(provider: GeminiProvider, standin: VertexStandIn) -> None:
    await asyncio.gather(*(provider.process(asked()) for _ in range(4)))
    assert len(standin.calls("token")) == 1


async def test_a_token_that_expired_early_is_renewed_once(provider: GeminiProvider, standin: VertexStandIn) -> None:
    await provider.process(asked())
    standin.tokens.clear()
    assert (await provider.process(asked())).data == gemini.PICTURE
    assert standin.granted == 2
    standin.script(vertex.expired_token(), vertex.expired_token())
    assert type(await error_of(provider)) is NotConfigured
    assert standin.granted == 3, "a second refusal is an answer"


async def test_a_token_is_renewed_before_it_ends(
    provider: GeminiProvider, standin: VertexStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    age = timedelta(0)
    clock = SimpleNamespace(now=SYSTEM_CLOCK.now, monotonic=lambda: age)
    monkeypatch.setattr("photochanger.adapters.providers.gemini.tokens.SYSTEM_CLOCK", clock)
    for minutes, tokens in ((0, 1), (54, 1), (55, 2)):
        age = timedelta(minutes=minutes)
        await provider.process(asked())
        assert standin.granted == tokens
    assert standin.refused == []


async def test_another_account_gets_a_token_of_its_own(
    provider: GeminiProvider, context: FixedContext, standin: VertexStandIn
) -> None:
    await provider.process(asked())
    context.secret = standin.account(private_key_id="4711", project_id="another")
    await provider.process(asked())
    assert standin.granted == 2


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (vertex.disabled(), NotConfigured, "API is disabled"),
        (gemini.rate_limited(headers={"Retry-After": "7"}), Retryable, "429"),
        (gemini.error(404, "NOT_FOUND", "Publisher Model was not found."), Rejected, "does not know the model"),
        (gemini.error(503, "UNAVAILABLE", "Overloaded."), Down, "503"),
    ],
)
async def test_errors_of_the_service(
    provider: GeminiProvider, standin: VertexStandIn, answer: server.Answer, error: type[Exception], said: str
) -> None:
    standin.script(answer)
    raised = await error_of(provider)
    assert type(raised) is error
    assert said in raised.reason
    if isinstance(raised, Retryable) and not isinstance(raised, Down):
        assert raised.after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (server.json_answer({"error": "invalid_grant"}, status=400), NotConfigured),
        (server.json_answer({"error": "rate"}, status=429), Retryable),
        (server.json_answer({}, status=500), Down),
        (server.html(), Down),
        (server.json_answer({"access_token": "two\nlines"}), Down),
        (server.json_answer([1]), Down),
        (server.reset, Down),
    ],
)
async def test_without_a_token_no_picture_is_asked_for(
    provider: GeminiProvider, standin: VertexStandIn, answer: Any, error: type[Exception]
) -> None:
    standin.script(answer, call="token")
    assert type(await error_of(provider)) is error
    assert standin.calls() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"private_key": "nothing"}, "private key"), ({"type": "authorized_user"}, "not the key file")],
)
async def test_a_file_that_is_no_service_account_is_named_without_its_content(
    context: FixedContext, standin: VertexStandIn, changes: dict[str, str], said: str
) -> None:
    context.secret = standin.account(**changes)
    provider = GeminiProvider(context)
    raised = await error_of(provider)
    assert isinstance(raised, NotConfigured)
    assert raised.finding is ProviderFindingCode.KEY_UNREADABLE
    assert said in raised.reason
    assert standin.received == []
    await provider.close()


async def test_people_can_be_limited_there_only(
    provider: GeminiProvider, context: FixedContext, standin: VertexStandIn
) -> None:
    limited = EDIT | {"person_generation": "allow_adult"}
    await provider.process(asked(settings=limited))
    assert standin.calls()[0].json()["generationConfig"]["imageConfig"] == {"personGeneration": "ALLOW_ADULT"}
    context.secret = gemini.KEY
    raised = await error_of(provider, asked(settings=limited))
    assert type(raised) is Rejected
    assert "person_generation" in raised.reason


async def test_what_does_not_fit_is_refused_because_files_cannot_be_kept(provider: GeminiProvider) -> None:
    request = asked("style_transfer", {}, photo=large(6_000_000), templates={"style": large(11_000_000)})
    raised = await error_of(provider, request)
    assert type(raised) is Rejected
    assert "too large" in raised.reason


async def test_a_check_asks_for_each_model(provider: GeminiProvider, standin: VertexStandIn) -> None:
    assert await provider.diagnose([ENTRY]) == []
    unknown = RouteEntry("gemini", "image_edit", EDIT | {"model": "gemini-0-image"})
    (finding,) = await provider.diagnose([ENTRY, unknown])
    assert finding.code is ProviderFindingCode.MODEL_UNKNOWN
    assert standin.calls() == []
    standin.script(vertex.disabled(), call="model")
    (finding,) = await provider.diagnose([ENTRY])
    assert finding.code is ProviderFindingCode.KEY_REFUSED


async def test_neither_key_nor_token_gets_into_a_log(
    provider: GeminiProvider, standin: VertexStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    result = await provider.process(asked())
    standin.script(gemini.error(400, "INVALID_ARGUMENT", f"Bad token {standin.tokens[-1]}"))
    raised = await error_of(provider)
    said = caplog.text + repr(result) + repr(provider.__dict__) + raised.reason
    assert "ya29" not in said
    assert "PRIVATE" not in said


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        (None, "https://aiplatform.googleapis.com/v1beta1/projects/booth-project/locations/global"),
        (
            "https://us-east5-aiplatform.googleapis.com",
            "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/booth-project/locations/us-east5",
        ),
        (
            "https://gate.example/v1/projects/p-1/locations/eu",
            "https://gate.example/v1/projects/p-1/locations/eu",
        ),
        ("https://gate.example/google", "https://gate.example/google/v1beta1/projects/booth-project/locations/global"),
    ],
)
def test_the_base_url_chooses_the_place(base_url: str | None, address: str) -> None:
    account = service_account(VertexStandIn().account(token_uri="https://oauth2.example/token"))
    assert account is not None
    assert with_token("t", account, base_url).models_url == f"{address}/publishers/google/models"


def test_an_api_key_at_vertex_needs_no_project() -> None:
    access = with_api_key("AIza", "https://aiplatform.googleapis.com")
    assert access.models_url == "https://aiplatform.googleapis.com/v1beta1/publishers/google/models"
    assert with_api_key("AIza", None).models_url == "https://generativelanguage.googleapis.com/v1"


async def test_googles_sdk_sends_the_same_requests(provider: GeminiProvider, standin: VertexStandIn) -> None:
    settings = {"image_size": "2K", "person_generation": "allow_none", "thinking_level": "low", "seed": 7}
    await provider.process(asked(settings=EDIT | settings))
    await provider.diagnose([ENTRY])

    def ask() -> None:
        client = genai.Client(
            vertexai=True,
            project=vertex.PROJECT,
            location=vertex.LOCATION,
            credentials=credentials.Credentials(token=standin.tokens[-1]),
            http_options=types.HttpOptions(base_url=standin.url, api_version="v1beta1"),
        )
        photo = types.Part.from_bytes(data=gemini_calls.PHOTO.data, mime_type=gemini_calls.PHOTO.mime)
        client.models.generate_content(
            model=gemini.MODEL,
            contents=types.Content(role="user", parts=[photo, types.Part.from_text(text=EDIT["prompt"])]),
            config=types.GenerateContentConfig(
                response_modalities=["IMAGE"],
                image_config=types.ImageConfig(image_size="2K", person_generation="ALLOW_NONE"),
                thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW),
                seed=7,
            ),
        )
        client.models.get(model=gemini.MODEL)

    await asyncio.to_thread(ask)
    ours, theirs = standin.calls()
    assert ours.path == theirs.path
    assert ours.headers["authorization"] == theirs.headers["authorization"]
    assert ours.json()["generationConfig"] == gemini.in_camel_case(theirs.json()["generationConfig"])
    ours, theirs = standin.calls("model")
    assert ours.path == theirs.path


class TestVertexKeepsTheContract(ProviderContract):
    secret = ""
    entries = (
        RouteEntry("gemini", "image_edit", {"prompt": "Oil painting", "seed": 3}),
        RouteEntry("gemini", "style_transfer", {"person_generation": "allow_all"}),
        RouteEntry("gemini", "identity_transfer"),
    )

    @pytest.fixture(autouse=True)
    async def _standin(self, standin: VertexStandIn) -> None:
        self.base_url = f"{standin.url}/projects/{vertex.PROJECT}/locations/{vertex.LOCATION}"
        type(self).secret = standin.account()

    async def make_provider(self, context: Any) -> GeminiProvider:
        return GeminiProvider(context)
