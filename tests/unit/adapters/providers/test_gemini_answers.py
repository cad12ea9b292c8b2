"""What the `gemini` provider makes of the answers of the Gemini API: pictures, refusals, errors and limits."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from google.genai import types
from photochanger.adapters.providers.gemini.answers import ACCOUNT_DISABLED, BLOCKS, REFUSALS, RETRYABLE_REASONS
from photochanger.adapters.providers.gemini.provider import GeminiProvider
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    ProviderError,
    QuotaExhausted,
    Rejected,
    Retryable,
    Unavailable,
)

from tests.support import photos
from tests.support.standins import gemini, server
from tests.support.standins.calls import FixedContext
from tests.support.standins.gemini import KEY, GeminiStandIn
from tests.support.standins.gemini_calls import EDIT, asked, error_of
from tests.support.standins.server import Answer, Behaviour
from tests.support.standins.vertex import disabled

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


async def test_of_several_pictures_the_last_that_is_no_thought_counts(
    provider: GeminiProvider, standin: GeminiStandIn
) -> None:
    draft, first = (base64.b64encode(photos.png(side, side)).decode() for side in (16, 24))
    part = {"inlineData": {"mimeType": "image/png", "data": first}}
    thought = {"thought": True, "inlineData": {"mimeType": "image/png", "data": draft}}
    standin.script(gemini.drawn(before=[{"text": "Here it is:"}, thought, part]))
    assert (await provider.process(asked())).data == gemini.PICTURE
    standin.script(gemini.content([part, thought]))
    assert (await provider.process(asked())).data == photos.png(24, 24)


async def test_a_draft_counts_where_nothing_else_was_drawn(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    draft = {"mimeType": "image/png", "data": base64.b64encode(photos.png(16, 16)).decode()}
    standin.script(gemini.content([{"thought": True, "inlineData": draft}, {"text": "Done."}]))
    result = await provider.process(asked())
    assert result.data == photos.png(16, 16)
    assert result.remarks["draft"] is True


async def test_a_draft_beside_a_refusal_does_not_count(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    draft = {"mimeType": "image/png", "data": base64.b64encode(photos.png(16, 16)).decode()}
    standin.script(gemini.content([{"thought": True, "inlineData": draft}], reason="IMAGE_SAFETY"))
    assert type(await error_of(provider)) is Rejected


async def test_a_block_without_a_reason_beside_a_picture_is_ignored(
    provider: GeminiProvider, standin: GeminiStandIn
) -> None:
    answer = json.loads(gemini.drawn().body) | {"promptFeedback": {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}}
    standin.script(server.json_answer(answer))
    assert (await provider.process(asked())).data == gemini.PICTURE


@pytest.mark.parametrize(
    "answer",
    [
        gemini.error(409, "ABORTED", "The operation was aborted."),
        gemini.error(499, "CANCELLED", "The operation was cancelled."),
        gemini.error(400, "INVALID_ARGUMENT", "Unable to process input image. Please retry or report."),
    ],
)
async def test_errors_that_pass_by_themselves_are_worth_another_try(
    provider: GeminiProvider, standin: GeminiStandIn, answer: Answer
) -> None:
    standin.script(answer)
    assert type(await error_of(provider)) is Retryable


async def test_an_answer_that_was_cut_but_has_its_picture_counts(
    provider: GeminiProvider, standin: GeminiStandIn
) -> None:
    standin.script(gemini.drawn(reason="MAX_TOKENS"))
    assert (await provider.process(asked())).data == gemini.PICTURE


def test_every_finish_reason_and_every_block_of_the_sdk_has_its_verdict() -> None:
    reasons = {member.value for member in types.FinishReason}
    assert reasons <= REFUSALS | RETRYABLE_REASONS | ACCOUNT_DISABLED
    assert not REFUSALS & RETRYABLE_REASONS
    assert not ACCOUNT_DISABLED & (REFUSALS | RETRYABLE_REASONS)
    assert {member.value for member in types.BlockedReason} <= BLOCKS


@pytest.mark.parametrize("reason", sorted(REFUSALS))
async def test_a_refusal_is_final(provider: GeminiProvider, standin: GeminiStandIn, reason: str) -> None:
    standin.script(gemini.without_content(reason, "The model could not do that."))
    trouble = await error_of(provider)
    assert type(trouble) is Rejected
    assert reason in trouble.reason


async def test_a_picture_beside_a_refusal_does_not_count(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    standin.script(gemini.drawn(reason="IMAGE_SAFETY"))
    assert type(await error_of(provider)) is Rejected


@pytest.mark.parametrize("reason", [*sorted(RETRYABLE_REASONS), "NEVER_HEARD_OF_IT"])
@pytest.mark.filterwarnings("ignore:NEVER_HEARD_OF_IT")
async def test_no_picture_for_another_reason_is_worth_another_try_at_once(
    provider: GeminiProvider, standin: GeminiStandIn, reason: str
) -> None:
    standin.script(gemini.without_content(reason))
    trouble = await error_of(provider)
    assert type(trouble) is Retryable
    assert trouble.after is None
    assert reason in trouble.reason


@pytest.mark.parametrize("reason", sorted(ACCOUNT_DISABLED))
async def test_an_account_that_is_shut_off_is_unavailable(
    provider: GeminiProvider, standin: GeminiStandIn, reason: str
) -> None:
    standin.script(gemini.without_content(reason))
    assert type(await error_of(provider)) is Unavailable


async def test_words_instead_of_a_picture_are_told(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    standin.script(gemini.content([{"text": f"I cannot\nsee anyone. {KEY} {'iVBORw0' * 60}"}]))
    trouble = await error_of(provider)
    assert type(trouble) is Retryable
    assert "I cannot see anyone." in trouble.reason
    assert "iVBOR" not in trouble.reason
    assert len(trouble.reason) < 300


async def test_a_long_text_instead_of_a_picture_costs_no_time(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    text = base64.b64encode(random.Random(7).randbytes(3_000_000)).decode()
    standin.script(gemini.content([{"text": text}, {"text": f"a{text}"}]))
    began = time.process_time()
    trouble = await error_of(provider)
    assert time.process_time() - began < 20  # a regular expression would run for hours
    assert type(trouble) is Retryable
    assert len(trouble.reason) < 300


async def test_a_long_error_is_not_read(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    standin.script(gemini.error(400, "INVALID_ARGUMENT", "no " * 1_000_000))
    trouble = await error_of(provider)
    assert type(trouble) is Retryable
    assert "too large" in trouble.reason


@pytest.mark.parametrize("reason", [*sorted(BLOCKS), "NEVER_HEARD_OF_IT"])
@pytest.mark.filterwarnings("ignore:NEVER_HEARD_OF_IT")
async def test_a_blocked_request_is_final(provider: GeminiProvider, standin: GeminiStandIn, reason: str) -> None:
    standin.script(gemini.blocked(reason))
    trouble = await error_of(provider)
    assert type(trouble) is Rejected
    assert reason in trouble.reason


@pytest.mark.parametrize(
    "answer",
    [
        gemini.candidates([]),
        gemini.candidates([{"content": {"role": "model"}, "finishReason": "STOP"}]),
        gemini.content([{"inlineData": {"mimeType": "image/png", "data": ""}}]),
        gemini.content([{"inlineData": {"mimeType": "image/png", "data": "!!! no base64 !!!"}}]),
        gemini.content([{"inlineData": {"mimeType": "image/png", "data": "AAAAA"}}]),
        gemini.content([{"inlineData": {"mimeType": "text/plain", "data": "AAAA"}}]),
        gemini.content([{"inlineData": {"mimeType": "image/png", "data": 17}}]),
        gemini.candidates([{"content": "words", "finishReason": "STOP"}]),
        gemini.candidates([{"content": {"parts": [{"inlineData": "words"}]}, "finishReason": "STOP"}]),
        server.json_answer({"candidates": "words", "responseId": "resp-1"}),
    ],
)
async def test_an_answer_in_the_wrong_shape_is_worth_another_try(
    provider: GeminiProvider, standin: GeminiStandIn, answer: Answer
) -> None:
    standin.script(answer)
    assert type(await error_of(provider)) is Retryable


@pytest.mark.parametrize(
    "behaviour",
    [
        server.html(),
        server.html(404),
        server.html(403),
        server.html(502),
        server.empty(),
        server.empty(400),
        server.json_answer({}),
        server.json_answer({"status": "fine"}),
        server.json_answer("words", status=400),
        gemini.error(500, "INTERNAL", "An internal error has occurred."),
        gemini.error(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        gemini.error(504, "DEADLINE_EXCEEDED", "The request took too long."),
        server.reset,
        server.reset_midway,
        server.truncated,
    ],
)
async def test_a_service_in_trouble_is_down_and_asked_once(
    provider: GeminiProvider, standin: GeminiStandIn, behaviour: Behaviour | Answer
) -> None:
    standin.script(behaviour)
    trouble = await error_of(provider)
    assert type(trouble) is Down
    assert "<" not in trouble.reason, "no page for people gets into the log"
    assert len(standin.received) == 1
    assert (await provider.process(asked())).data == gemini.PICTURE, "the next call is not harmed"


@pytest.mark.parametrize(("delay", "seconds"), [("46s", 46.0), ("1.5s", 1.5), ("0.250s", 0.25)])
async def test_a_429_names_when_to_come_back(
    provider: GeminiProvider, standin: GeminiStandIn, delay: str, seconds: float
) -> None:
    quota = {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "10"}
    standin.script(gemini.rate_limited(delay=delay, quota=quota, headers={"Retry-After": "7"}))
    trouble = await error_of(provider)
    assert type(trouble) is Retryable
    assert trouble.after == timedelta(seconds=seconds)
    assert len(standin.received) == 1


async def test_a_429_without_details_goes_by_its_header(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    standin.script(
        gemini.rate_limited(headers={"Retry-After": "7"}),
        gemini.rate_limited(headers={"Retry-After": later}),
        gemini.rate_limited(delay="soon", headers={"Retry-After": "whenever"}),
        Answer(429, b"<html>Slow down</html>", {"Content-Type": "text/html", "Retry-After": "3"}),
    )
    waits = []
    for _ in range(4):
        trouble = await error_of(provider)
        assert type(trouble) is Retryable
        waits.append(trouble.after)
    assert waits[0] == timedelta(seconds=7)
    assert waits[1] is not None
    assert timedelta(minutes=50) < waits[1] <= timedelta(hours=1)
    assert waits[2:] == [None, timedelta(seconds=3)]


@pytest.mark.parametrize(
    "answer",
    [
        gemini.rate_limited(delay="40s", quota={"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}),
        gemini.rate_limited(delay="40s", quota={"quotaId": "GenerateRequestsPerMinute", "quotaValue": "0"}),
        gemini.rate_limited(message="Quota exceeded for metric: free_tier_requests, limit: 0, model: x"),
        gemini.rate_limited(message="Your prepayment credits are depleted."),
    ],
)
async def test_a_quota_that_is_gone_for_long_is_told_apart(
    provider: GeminiProvider, standin: GeminiStandIn, answer: Answer
) -> None:
    standin.script(answer)
    assert type(await error_of(provider)) is QuotaExhausted


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (gemini.error(400, "INVALID_ARGUMENT", "aspect_ratio is not supported."), Rejected),
        (gemini.error(400, "FAILED_PRECONDITION", "User location is not supported."), Unavailable),
        (gemini.error(401, "UNAUTHENTICATED", f"Key {KEY[:20]}… is no good."), NotConfigured),
        (gemini.error(403, "PERMISSION_DENIED", f"Key {KEY[:20]}… is leaked."), NotConfigured),
        (gemini.error(413, "INVALID_ARGUMENT", "Too large."), Rejected),
        (gemini.error(405, "UNIMPLEMENTED", "No such method."), Unavailable),
        (gemini.bad_key(), NotConfigured),
        (Answer(302, b"", {"Location": FAR}), Unavailable),
    ],
)
async def test_errors_have_their_verdicts(
    provider: GeminiProvider, standin: GeminiStandIn, answer: Answer, verdict: type[ProviderError]
) -> None:
    standin.script(answer)
    trouble = await error_of(provider)
    assert type(trouble) is verdict
    assert KEY[:20] not in trouble.reason
    assert len(standin.received) == 1


async def test_an_error_echoing_the_key_is_told_without_it(provider: GeminiProvider, standin: GeminiStandIn) -> None:
    standin.script(gemini.error(400, "INVALID_ARGUMENT", f"Bad header {KEY} and {KEY[:18]}, see {FAR}."))
    trouble = await error_of(provider)
    assert "Bad header" in trouble.reason
    assert KEY[:10] not in trouble.reason


async def test_an_unknown_model_is_refused_by_its_name(provider: GeminiProvider) -> None:
    trouble = await error_of(provider, asked(settings=EDIT | {"model": "gemini-0-image"}))
    assert type(trouble) is Rejected
    assert "'gemini-0-image'" in trouble.reason


@pytest.mark.parametrize(
    ("message", "violation"),
    [
        ("Unsupported value: temperature is not supported by this model.", None),
        ("Thinking level is not supported for this model.", None),
        ("Request contains an invalid argument.", "generation_config.image_config.image_size"),
        ("Invalid value at 'generation_config.seed' (TYPE_INT32). Please retry.", None),
    ],
)
async def test_a_setting_that_the_model_refuses_is_named(
    provider: GeminiProvider, standin: GeminiStandIn, message: str, violation: str | None
) -> None:
    fields = [{"field": violation, "description": "Not supported."}]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}
    standin.script(gemini.error(400, "INVALID_ARGUMENT", message, details=[detail] if violation else []))
    settings = EDIT | {"temperature": 1, "thinking_level": "low", "image_size": "2K", "seed": 5}
    trouble = await error_of(provider, asked(settings=settings))
    assert type(trouble) is Rejected
    assert "does not take the setting '" in trouble.reason


@pytest.mark.parametrize(
    "message", ["The temperature of this room is high. Please retry.", "Please edit this and please retry."]
)
async def test_a_setting_that_was_not_sent_is_not_blamed(
    provider: GeminiProvider, standin: GeminiStandIn, message: str
) -> None:
    standin.script(gemini.error(400, "INVALID_ARGUMENT", message))
    assert type(await error_of(provider, asked(settings=EDIT | {"seed": 5}))) is Retryable


@pytest.mark.parametrize("details", [7, [7], [{"fieldViolations": 7}], [{"fieldViolations": [7, {"field": 7}]}]])
async def test_details_of_any_shape_are_read(provider: GeminiProvider, standin: GeminiStandIn, details: object) -> None:
    error = {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT", "details": details}
    standin.script(server.json_answer({"error": error}, status=400))
    assert type(await error_of(provider, asked(settings=EDIT | {"seed": 5}))) is Rejected


async def test_an_api_that_is_disabled_in_the_project_is_a_setting(
    provider: GeminiProvider, standin: GeminiStandIn
) -> None:
    standin.script(disabled())
    trouble = await error_of(provider)
    assert type(trouble) is NotConfigured
    assert "Enable it" in trouble.reason
