"""What calls of Gemini and OpenAI cost: by the usage figures of an answer, or probably."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from photochanger.adapters.providers.costs import token_count
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.adapters.providers.openai.provider import OpenAIProvider
from photochanger.core.domain.costs.call_cost import FREE, CallCost, Charged
from photochanger.core.ports.provider import Down, ProviderResult, Rejected, Retryable

from tests.support.ports import kept_port
from tests.support.standins import gemini, gemini_calls, openai, openai_calls, server
from tests.support.standins.calls import FixedContext
from tests.support.standins.gemini import GeminiStandIn
from tests.support.standins.openai import OpenAIStandIn

pytestmark = pytest.mark.anyio


@pytest.fixture
async def google() -> AsyncIterator[GeminiStandIn]:
    async with GeminiStandIn() as standin:
        yield standin


@pytest.fixture
async def gem(google: GeminiStandIn) -> AsyncIterator[GeminiProvider]:
    provider = GeminiProvider(FixedContext(secret=gemini.KEY, base_url=google.url))
    yield provider
    await provider.close()


@pytest.fixture
async def open_ai() -> AsyncIterator[OpenAIStandIn]:
    async with OpenAIStandIn() as standin:
        yield standin


@pytest.fixture
async def oai(open_ai: OpenAIStandIn) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(FixedContext(secret=openai.KEY, base_url=open_ai.base_url))
    yield provider
    await provider.close()


def gemini_answer(usage: Any, **more: Any) -> server.Answer:
    return server.json_answer(json.loads(gemini.drawn().body) | {"usageMetadata": usage, **more})


def openai_answer(usage: Any) -> server.Answer:
    return server.json_answer(json.loads(openai.drawn().body) | {"usage": usage})


async def of_gemini(gem: GeminiProvider, google: GeminiStandIn, usage: Any, **more: Any) -> ProviderResult:
    google.script(gemini_answer(usage, **more))
    return await gem.process(gemini_calls.asked())


TEXT_AND_IMAGE = [{"modality": "TEXT", "tokenCount": 300}, {"modality": "IMAGE", "tokenCount": 1120}]


@pytest.mark.parametrize(
    ("usage", "usd_micros", "exact"),
    [
        # 1301 x 1.50 + 1290 x 30
        (gemini.USAGE, 40_652, True),
        # Thoughts are text output: 1000 x 1.50 + 1120 x 30 + (300 + 800) x 7.50
        (
            {
                "promptTokenCount": 1000,
                "candidatesTokenCount": 1420,
                "thoughtsTokenCount": 800,
                "candidatesTokensDetails": TEXT_AND_IMAGE,
            },
            43_350,
            True,
        ),
        # The text is left out of the details: it is the rest.
        ({"candidatesTokenCount": 1420, "candidatesTokensDetails": TEXT_AND_IMAGE[1:]}, 35_850, True),
        # No details: all counts as picture.
        ({"promptTokenCount": 1000, "candidatesTokenCount": 1000}, 31_500, False),
        # More picture than there is of all.
        ({"candidatesTokenCount": 1000, "candidatesTokensDetails": TEXT_AND_IMAGE}, 33_600, False),
    ],
)
async def test_gemini_costs_what_its_tokens_cost_by_modality(
    gem: GeminiProvider, google: GeminiStandIn, usage: Any, usd_micros: int, exact: bool
) -> None:
    result = await of_gemini(gem, google, usage)
    assert result.cost == CallCost(usd_micros=usd_micros, exact=exact)


@pytest.mark.parametrize(
    "usage", [None, {}, [1], "many", {"promptTokenCount": "9" * 400}, {"candidatesTokenCount": -1}, {"x": {"y": []}}]
)
async def test_usage_that_cannot_be_read_costs_no_picture_and_the_cost_is_an_estimate(
    gem: GeminiProvider, google: GeminiStandIn, oai: OpenAIProvider, open_ai: OpenAIStandIn, usage: Any
) -> None:
    result = await of_gemini(gem, google, usage)
    assert result.cost == gem.expected_cost("image_edit", gemini_calls.EDIT)
    assert result.cost is not None
    assert not result.cost.exact
    open_ai.script(openai_answer(usage))
    result = await oai.process(openai_calls.asked())
    assert result.cost == oai.expected_cost("image_edit", openai_calls.EDIT)


async def test_the_version_that_drew_is_told_and_priced(gem: GeminiProvider, google: GeminiStandIn) -> None:
    result = await of_gemini(gem, google, gemini.USAGE, modelVersion="gemini-3-pro-image")
    assert result.model == "gemini-3-pro-image"
    assert result.cost == CallCost(usd_micros=157_402, exact=True)  # 1301 x 2 + 1290 x 120
    result = await of_gemini(gem, google, gemini.USAGE, modelVersion=7, responseId=None)
    assert result.model == gemini.MODEL


async def test_an_unknown_model_costs_nobody_knows_what(gem: GeminiProvider, google: GeminiStandIn) -> None:
    google.models.append("gemini-9-image")
    google.script(gemini_answer(gemini.USAGE, modelVersion="gemini-9-image"))
    settings = gemini_calls.EDIT | {"model": "gemini-9-image"}
    assert (await gem.process(gemini_calls.asked(settings=settings))).cost is None
    assert gem.expected_cost("image_edit", settings) is None


@pytest.mark.parametrize(
    ("usage", "usd_micros", "exact"),
    [
        # 20 x 5 + 300 x 8 + 1056 x 30; the details of the output are optional.
        (
            {
                "input_tokens": 320,
                "input_tokens_details": {"image_tokens": 300, "text_tokens": 20},
                "output_tokens": 1056,
                "output_tokens_details": {"image_tokens": 1056, "text_tokens": 0},
            },
            34_180,
            True,
        ),
        (
            {
                "input_tokens": 320,
                "input_tokens_details": {"image_tokens": 300, "text_tokens": 20},
                "output_tokens": 1056,
            },
            34_180,
            False,
        ),
        ({"input_tokens": 320, "output_tokens": 1056}, 34_240, False),
        # No price for text output: the highest one.
        (
            {"output_tokens": 100, "output_tokens_details": {"image_tokens": 90, "text_tokens": 10}},
            3_000,
            False,
        ),
    ],
)
async def test_openai_costs_what_its_tokens_cost_by_modality(
    oai: OpenAIProvider, open_ai: OpenAIStandIn, usage: Any, usd_micros: int, exact: bool
) -> None:
    open_ai.script(openai_answer(usage))
    result = await oai.process(openai_calls.asked())
    assert result.cost == CallCost(usd_micros=usd_micros, exact=exact)
    assert result.model == openai.MODEL


@pytest.mark.parametrize(
    ("settings", "usd_micros"),
    [
        # 1300 x 1.50 + 1120 x 30, and 3780 x 30 for 4K; 2K is unknown and counts as 4K.
        ({}, 35_550),
        ({"image_size": "1K"}, 35_550),
        ({"image_size": "2K"}, 115_350),
        ({"image_size": "4K"}, 115_350),
        ({"model": "models/gemini-3-pro-image", "image_size": "2K"}, 137_000),
    ],
)
async def test_gemini_is_expected_to_cost_what_the_size_costs(
    gem: GeminiProvider, settings: dict[str, Any], usd_micros: int
) -> None:
    expected = gem.expected_cost("style_transfer", settings)
    assert expected == CallCost(usd_micros=usd_micros, exact=False)
    assert gem.expected_cost("style_transfer", {"image_size": "8K"}) is None
    assert gem.expected_cost("paint", {}) is None


@pytest.mark.parametrize(
    ("settings", "usd_micros"),
    [
        # 1000 x 8 and 272, 1056 or 4160 tokens x 30 for a square.
        ({"quality": "low", "size": "1024x1024"}, 16_160),
        ({"quality": "medium", "size": "1024x1024"}, 39_680),
        ({"quality": "high", "size": "1536x1024"}, 195_200),
        ({}, 195_200),
        ({"quality": "max", "size": "1024x1024"}, 132_800),
        ({"model": "gpt-image-2.5-flare-2026-09-08", "quality": "low", "size": "1024x1024"}, 16_160),
    ],
)
async def test_openai_is_expected_to_cost_what_quality_and_size_cost(
    oai: OpenAIProvider, settings: dict[str, Any], usd_micros: int
) -> None:
    expected = oai.expected_cost("image_edit", {"prompt": "x", **settings})
    assert expected == CallCost(usd_micros=usd_micros, exact=False)
    assert oai.expected_cost("image_edit", {}) is None


async def test_a_refusal_may_have_been_charged(gem: GeminiProvider, google: GeminiStandIn) -> None:
    google.script(gemini.blocked("SAFETY"), gemini.without_content("IMAGE_SAFETY"), gemini.content([{"text": "No."}]))
    costs = []
    for _ in range(3):
        error = await gemini_calls.error_of(gem)
        assert isinstance(error, Rejected | Retryable)
        costs.append(error.cost)
    assert costs[0] == CallCost(usd_micros=1_952, exact=True, charged=Charged.UNKNOWN)
    assert costs[1] == costs[2] == CallCost(usd_micros=40_652, exact=True, charged=Charged.UNKNOWN)


async def test_a_refused_picture_of_openai_may_have_been_charged(oai: OpenAIProvider, open_ai: OpenAIStandIn) -> None:
    open_ai.script(openai.error(400, "Your request was rejected by the safety system.", code="moderation_blocked"))
    error = await openai_calls.error_of(oai)
    assert error.cost == CallCost(usd_micros=195_200, exact=False, charged=Charged.UNKNOWN)
    open_ai.script(openai.error(400, "Invalid image file.", code="invalid_image_file"), openai.rate_limited())
    assert (await openai_calls.error_of(oai)).cost is None
    assert (await openai_calls.error_of(oai)).cost is None


async def test_a_call_that_breaks_off_may_have_been_charged_and_one_that_never_began_was_not(
    gem: GeminiProvider, google: GeminiStandIn
) -> None:
    google.script(server.reset)
    error = await gemini_calls.error_of(gem)
    assert type(error) is Down
    assert error.cost == CallCost(usd_micros=35_550, exact=False, charged=Charged.UNKNOWN)
    with kept_port() as nobody:
        provider = GeminiProvider(FixedContext(secret=gemini.KEY, base_url=f"http://127.0.0.1:{nobody}"))
        assert (await gemini_calls.error_of(provider)).cost == FREE
    await provider.close()


@pytest.mark.parametrize(
    ("value", "count"), [(7, 7), (0, 0), (10**9, 10**9), (10**9 + 1, 0), (-1, 0), (True, 0), (1.5, 0), ("7", 0)]
)
def test_only_whole_numbers_are_counts_of_tokens(value: Any, count: int) -> None:
    assert token_count(value) == count
