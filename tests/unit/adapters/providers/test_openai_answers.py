"""What the `openai` provider makes of the answers of OpenAI's API: pictures, refusals, errors and limits."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from photochanger.adapters.providers.openai.answers import QUOTA_GONE, REFUSALS
from photochanger.adapters.providers.openai.provider import OpenAIProvider
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    ProviderError,
    QuotaExhausted,
    Rejected,
    Retryable,
    Unavailable,
)

from tests.support.standins import openai, server
from tests.support.standins.calls import FixedContext
from tests.support.standins.openai import KEY, OpenAIStandIn
from tests.support.standins.openai_calls import EDIT, asked, error_of
from tests.support.standins.server import Answer, Behaviour, Received

pytestmark = pytest.mark.anyio

FAR = "https://services.example/elsewhere"


class PictureHost(server.StandInServer):
    """Where a gateway keeps its pictures."""

    def answer(self, request: Received) -> Answer:
        return Answer(200, openai.PICTURE, {"Content-Type": "image/jpeg"})


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


async def test_remarks_tell_model_size_and_tokens(provider: OpenAIProvider) -> None:
    assert (await provider.process(asked())).remarks == {
        "model": openai.MODEL,
        "size": "1024x1024",
        "quality": "high",
        "response_id": "req-0815",
        "usage": {"input_tokens": 320, "output_tokens": 1056, "total_tokens": 1376},
    }


@pytest.mark.parametrize("field", ["b64_json", "url"])
async def test_a_picture_in_a_data_uri_is_taken(provider: OpenAIProvider, standin: OpenAIStandIn, field: str) -> None:
    encoded = base64.b64encode(openai.PICTURE).decode()
    standin.script(openai.data([{field: f"data:image/jpeg;base64,{encoded}"}]))
    assert (await provider.process(asked())).data == openai.PICTURE


async def test_a_picture_at_an_address_is_fetched_without_the_key(
    context: FixedContext, standin: OpenAIStandIn
) -> None:
    async with PictureHost() as host:
        context.private_hosts = (host.url.removeprefix("http://"),)
        provider = OpenAIProvider(context)
        standin.script(openai.data([{"url": f"{host.url}/made.jpg"}]))
        assert (await provider.process(asked())).data == openai.PICTURE
        (fetched,) = host.received
        assert KEY not in repr(fetched.headers)
        await provider.close()


async def test_a_picture_at_a_private_address_is_not_fetched(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    async with PictureHost() as host:
        standin.script(openai.data([{"url": f"{host.url}/made.jpg"}]))
        with pytest.raises(Unavailable):
            await provider.process(asked())
        assert host.received == []


async def test_remarks_leave_out_what_is_not_there(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    image = {"b64_json": base64.b64encode(openai.PICTURE).decode()}
    standin.script(server.json_answer({"data": [image], "size": 7, "quality": None}))
    result = await provider.process(asked())
    assert result.data == openai.PICTURE
    assert result.remarks == {"model": openai.MODEL}


@pytest.mark.parametrize(
    "answer",
    [
        openai.data(None),
        openai.data([]),
        openai.data([{}]),
        openai.data([{"b64_json": ""}]),
        openai.data([{"b64_json": "!!! no base64 !!!"}]),
        openai.data([{"b64_json": "AAAAA"}]),
        openai.data([{"b64_json": 17}]),
        openai.data([{"b64_json": "Ωμέγα"}]),
        openai.data("words"),  # type: ignore[arg-type]
        server.json_answer({"created": 1, "data": ["words"]}),
        server.json_answer({}),
    ],
)
async def test_an_answer_without_a_picture_is_worth_another_try_at_once(
    provider: OpenAIProvider, standin: OpenAIStandIn, answer: Answer
) -> None:
    standin.script(answer)
    trouble = await error_of(provider)
    assert type(trouble) is Retryable
    assert trouble.after is None


@pytest.mark.parametrize(
    "behaviour",
    [
        server.html(),
        server.html(404),
        server.html(403),
        server.html(502),
        server.empty(),
        server.empty(400),
        server.json_answer([]),
        server.json_answer("words", status=400),
        Answer(200, b"{oops", {"Content-Type": "application/json"}),
        openai.error(500, "The server had an error.", kind="server_error"),
        openai.error(503, "The engine is currently overloaded.", kind="server_error"),
        openai.error(408, "The request timed out."),
        server.reset,
        server.reset_midway,
        server.truncated,
    ],
)
async def test_a_service_in_trouble_is_down_and_asked_once(
    provider: OpenAIProvider, standin: OpenAIStandIn, behaviour: Behaviour | Answer
) -> None:
    standin.script(behaviour)
    trouble = await error_of(provider)
    assert type(trouble) is Down
    assert "<" not in trouble.reason, "no page for people gets into the log"
    assert len(standin.received) == 1
    assert (await provider.process(asked())).data == openai.PICTURE, "the next call is not harmed"


async def test_a_service_that_asks_for_another_try_gets_none_from_here(
    provider: OpenAIProvider, standin: OpenAIStandIn
) -> None:
    standin.script(openai.error(500, "Sorry.", headers={"x-should-retry": "true"}))
    assert type(await error_of(provider)) is Down
    assert len(standin.received) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"Retry-After": "9", "x-ratelimit-reset-requests": "1s"}, 9.0),
        ({"Retry-After": "2.5"}, 2.5),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "12s",
                "x-ratelimit-remaining-tokens": "900",
                "x-ratelimit-reset-tokens": "59s",
            },
            12.0,
        ),
    ],
)
async def test_a_429_names_when_to_come_back(
    provider: OpenAIProvider, standin: OpenAIStandIn, headers: dict[str, str], seconds: float
) -> None:
    standin.script(openai.rate_limited(headers=headers))
    trouble = await error_of(provider)
    assert type(trouble) is Retryable
    assert trouble.after == timedelta(seconds=seconds)
    assert len(standin.received) == 1


async def test_a_429_may_name_a_date_or_nothing_or_nonsense(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    for headers in ({"Retry-After": later}, {}, {"Retry-After": "soon", "x-ratelimit-reset-requests": "later"}):
        standin.script(openai.rate_limited(headers=headers))
    waits = []
    for _ in range(3):
        trouble = await error_of(provider)
        assert type(trouble) is Retryable
        waits.append(trouble.after)
    assert waits[0] is not None
    assert timedelta(minutes=50) < waits[0] <= timedelta(hours=1)
    assert waits[1:] == [None, None]


@pytest.mark.parametrize("status", [400, 403, 429])
@pytest.mark.parametrize("code", sorted(QUOTA_GONE))
async def test_an_account_without_money_is_told_apart(
    provider: OpenAIProvider, standin: OpenAIStandIn, status: int, code: str
) -> None:
    standin.script(openai.error(status, "You exceeded your current quota.", code=code))
    trouble = await error_of(provider)
    assert type(trouble) is QuotaExhausted
    assert code in trouble.reason


@pytest.mark.parametrize("code", sorted(REFUSALS))
async def test_a_refusal_of_the_safety_system_is_final(
    provider: OpenAIProvider, standin: OpenAIStandIn, code: str
) -> None:
    standin.script(openai.error(400, "Your request was rejected by the safety system.", code=code))
    trouble = await error_of(provider)
    assert type(trouble) is Rejected
    assert "refuses" in trouble.reason
    assert code in trouble.reason


async def test_a_safety_message_without_a_code_is_a_refusal_too(
    provider: OpenAIProvider, standin: OpenAIStandIn
) -> None:
    standin.script(openai.error(403, "…"), openai.error(400, "Rejected as a result of our safety system."))
    assert type(await error_of(provider)) is NotConfigured
    trouble = await error_of(provider)
    assert type(trouble) is Rejected
    assert "refuses" in trouble.reason


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (openai.error(400, "Invalid image file or mode.", code="invalid_image_file"), Rejected),
        (openai.error(413, "Too large."), Rejected),
        (openai.error(422, "Unprocessable."), Rejected),
        (openai.bad_key(KEY), NotConfigured),
        (openai.error(403, f"Project {KEY[:20]} is archived.", code="project_archived"), NotConfigured),
        (openai.error(404, "Invalid URL (POST /v1/images/edits)"), Unavailable),
        (openai.error(409, "The resource is locked."), Retryable),
        (openai.error(499, "The request was cancelled."), Retryable),
        (openai.error(400, "Unable to process input image, please retry."), Retryable),
        (Answer(307, b"", {"Location": FAR}), Unavailable),
    ],
)
async def test_errors_have_their_verdicts(
    provider: OpenAIProvider, standin: OpenAIStandIn, answer: Answer, verdict: type[ProviderError]
) -> None:
    standin.script(answer)
    trouble = await error_of(provider)
    assert type(trouble) is verdict
    assert KEY[:12] not in trouble.reason
    assert len(standin.received) == 1


async def test_a_refused_key_is_told_without_any_part_of_it(provider: OpenAIProvider, context: FixedContext) -> None:
    context.secret = "sk-proj-somebody-elses-key-0123456789"
    trouble = await error_of(provider)
    assert type(trouble) is NotConfigured
    assert "invalid_api_key" in trouble.reason
    assert "sk-" not in trouble.reason
    assert "6789" not in trouble.reason


async def test_an_error_echoing_the_key_is_told_without_it(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    standin.script(openai.error(400, f"Bad header {KEY} and {KEY[:12]}***{KEY[-4:]}, see {FAR}. {'QUJD' * 90}"))
    trouble = await error_of(provider)
    assert "Bad header" in trouble.reason
    assert KEY[:8] not in trouble.reason
    assert KEY[-4:] not in trouble.reason
    assert "QUJD" not in trouble.reason
    assert len(trouble.reason) < 300


async def test_an_unknown_model_is_refused_by_its_name(provider: OpenAIProvider) -> None:
    trouble = await error_of(provider, asked(EDIT | {"model": "gpt-image-0"}))
    assert type(trouble) is Rejected
    assert "'gpt-image-0'" in trouble.reason


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("Unknown parameter: 'complexity'.", "unknown_parameter", None),
        ("Invalid value.", "invalid_value", "complexity"),
        ("This model does not support it.", None, "complexity"),
    ],
)
async def test_a_setting_that_the_model_refuses_is_named(
    provider: OpenAIProvider, standin: OpenAIStandIn, message: str, code: str | None, param: str | None
) -> None:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    standin.script(server.json_answer({"error": error}, status=400))
    trouble = await error_of(provider, asked(EDIT | {"complexity": "low"}))
    assert type(trouble) is Rejected
    assert "does not take the setting 'complexity'" in trouble.reason


async def test_a_setting_that_was_not_sent_is_not_blamed(provider: OpenAIProvider, standin: OpenAIStandIn) -> None:
    standin.script(openai.error(400, "Unknown parameter: 'complexity'.", code="unknown_parameter"))
    assert "does not take" not in (await error_of(provider)).reason
