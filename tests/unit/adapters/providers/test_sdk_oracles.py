"""The services' own SDKs as judges: they send the same requests as we do, and accept what our stand-ins answer."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, get_args

import httpx2
import pytest
from google import genai
from google.genai import types
from openai import AsyncOpenAI
from openai.types import ImageModel, ImagesResponse
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.adapters.providers.gemini.settings import ThinkingLevel
from photochanger.adapters.providers.openai.provider import OpenAIProvider

from tests.support.standins import gemini, gemini_calls, openai, openai_calls
from tests.support.standins.calls import FixedContext
from tests.support.standins.gemini import GeminiStandIn
from tests.support.standins.openai import OpenAIStandIn
from tests.support.standins.server import Answer, Received

pytestmark = pytest.mark.anyio


@pytest.fixture
async def google() -> AsyncIterator[GeminiStandIn]:
    async with GeminiStandIn() as standin:
        yield standin


@pytest.fixture
async def open_ai() -> AsyncIterator[OpenAIStandIn]:
    async with OpenAIStandIn() as standin:
        yield standin


@pytest.fixture
async def genai_client(google: GeminiStandIn) -> AsyncIterator[Any]:
    async with httpx2.AsyncClient(trust_env=False) as http:
        options = types.HttpOptions(base_url=google.url, api_version="v1", httpx_async_client=http)
        yield genai.Client(vertexai=False, api_key=gemini.KEY, http_options=options).aio


@pytest.fixture
async def openai_client(open_ai: OpenAIStandIn) -> AsyncIterator[AsyncOpenAI]:
    async with httpx2.AsyncClient(trust_env=False) as http:
        yield AsyncOpenAI(api_key=openai.KEY, base_url=open_ai.base_url, max_retries=0, http_client=http)


def comparable(request: Received) -> Any:
    """What the service sees of a request: names in camelCase, either alphabet of base64, times and agents aside."""
    body = gemini.in_camel_case(json.loads(request.body))
    for part in body["contents"][0]["parts"]:
        if "inlineData" in part:
            part["inlineData"]["data"] = base64.urlsafe_b64decode(part["inlineData"]["data"])
    names = ("x-goog-api-key", "content-type")
    return request.method, request.path, request.query, [request.headers.get(name) for name in names], body


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"aspect_ratio": "2:3"},
        {"image_size": "4K", "temperature": 0.5},
        {"model": f"models/{gemini.MODEL}"},
        {"thinking_level": "minimal", "seed": 0},
    ],
)
async def test_a_picture_is_asked_for_as_googles_sdk_does(
    google: GeminiStandIn, genai_client: Any, settings: dict[str, Any]
) -> None:
    provider = GeminiProvider(FixedContext(secret=gemini.KEY, base_url=google.url))
    await provider.process(gemini_calls.asked(settings=gemini_calls.EDIT | settings))
    await provider.close()
    photo = gemini_calls.PHOTO
    image = {name: settings[name] for name in ("aspect_ratio", "image_size") if name in settings}
    await genai_client.models.generate_content(
        model=settings.get("model", gemini.MODEL),
        contents=types.Content(
            role="user",
            parts=[
                types.Part.from_bytes(data=photo.data, mime_type=photo.mime),
                types.Part.from_text(text=gemini_calls.EDIT["prompt"]),
            ],
        ),
        config=types.GenerateContentConfig(
            response_modalities=["IMAGE"],
            image_config=types.ImageConfig(**image) if image else None,
            temperature=settings.get("temperature"),
            seed=settings.get("seed"),
            thinking_config=_thinking(settings.get("thinking_level")),
        ),
    )
    ours, theirs = google.calls()
    assert comparable(ours) == comparable(theirs)


@pytest.mark.parametrize(
    "answer",
    [
        gemini.drawn(),
        gemini.content([{"text": "No."}]),
        gemini.without_content("NO_IMAGE", "Sorry."),
        gemini.blocked("SAFETY"),
    ],
)
async def test_googles_sdk_accepts_the_answers_of_the_stand_in(
    google: GeminiStandIn, genai_client: Any, answer: Answer
) -> None:
    google.script(answer)
    read = await genai_client.models.generate_content(
        model=gemini.MODEL,
        contents=_content(),
        config=types.GenerateContentConfig(response_modalities=["IMAGE"]),
    )
    assert read.model_version == gemini.MODEL
    assert (read.candidates is None) != (read.prompt_feedback is None)


def _thinking(level: str | None) -> types.ThinkingConfig | None:
    return None if level is None else types.ThinkingConfig(thinking_level=types.ThinkingLevel(level))


def test_the_levels_of_thinking_and_the_models_are_those_of_the_sdks() -> None:
    levels = {member.value.lower() for member in types.ThinkingLevel} - {"thinking_level_unspecified"}
    assert set(get_args(ThinkingLevel)) == levels
    known = OpenAIProvider(FixedContext()).info.models
    named = {name for model in known for name in (model.id, *model.aliases)}
    assert named | {"chatgpt-image-latest"} == set(get_args(ImageModel))


def _content() -> types.Content:
    photo = gemini_calls.PHOTO
    picture = types.Part.from_bytes(data=photo.data, mime_type=photo.mime)
    return types.Content(role="user", parts=[picture, types.Part.from_text(text="An oil painting.")])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": "1536x1024", "quality": "high"},
        {"complexity": "high"},
        {"output_format": "webp", "output_compression": 40},
    ],
)
async def test_an_edit_is_asked_for_as_openais_sdk_does(
    open_ai: OpenAIStandIn, openai_client: AsyncOpenAI, settings: dict[str, Any]
) -> None:
    provider = OpenAIProvider(FixedContext(secret=openai.KEY, base_url=open_ai.base_url))
    style = openai_calls.STYLE
    await provider.process(openai_calls.asked(openai_calls.EDIT | settings, templates={"style": style}))
    await provider.close()
    given: dict[str, Any] = {"size": "auto", "quality": "auto", "output_format": "jpeg", **settings}
    await openai_client.images.edit(
        image=[("photo.jpg", openai_calls.PHOTO.data, "image/jpeg"), ("template-1.png", style.data, "image/png")],
        prompt=openai_calls.EDIT["prompt"],
        model=openai.MODEL,
        n=1,
        **given,
    )
    ours, theirs = (_form(call) for call in open_ai.calls())
    assert ours == theirs


def _form(request: Received) -> list[Any]:
    parts = [(part.name, part.filename, part.content_type, part.raw) for part in openai.form_parts(request)]
    return [request.method, request.path, request.headers["authorization"], sorted(parts, key=repr)]


async def test_openais_sdk_accepts_the_answers_of_the_stand_in(openai_client: AsyncOpenAI) -> None:
    read = await openai_client.images.edit(
        image=("photo.jpg", openai_calls.PHOTO.data, "image/jpeg"), prompt="An oil painting.", model=openai.MODEL, n=1
    )
    ImagesResponse.model_validate(read.model_dump(), strict=True)
    assert [model.id async for model in openai_client.models.list()] == [
        openai.MODEL,
        "gpt-5.5",
        "gpt-image-2",
    ]
