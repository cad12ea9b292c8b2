"""What each answer of fal means: for the route, for the guest, and for the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.fal.provider import FalProvider
from photochanger.adapters.providers.queued import MAX_MISSES
from photochanger.core.domain.costs.call_cost import FREE, CallCost, Charged
from photochanger.core.ports.provider import Down, NotConfigured, QuotaExhausted, Rejected, Retryable, Unavailable

from tests.support.standins.fal import (
    PICTURE,
    FalStandIn,
    completed,
    ingress,
    locked,
    model_error,
    platform_error,
    policy,
)
from tests.support.standins.fal_calls import context, edited, error_of, fal, service
from tests.support.standins.server import Answer, Behaviour, html, json_answer, reset, truncated

pytestmark = pytest.mark.anyio

__all__ = ["context", "fal", "service"]

SOMETIMES, NEVER, ALWAYS = (
    CallCost(usd_micros=45_000, charged=charged) for charged in (Charged.UNKNOWN, Charged.NO, Charged.YES)
)
TOO_MANY = json_answer({"detail": "Too many requests. Please try again in 12s."}, status=429)
LATE = platform_error(504, "request_timeout", x_fal_request_timeout_type="user")
BAD_INPUT = model_error(422, "image_too_large", retryable=False)

SUBMITTED: dict[str, tuple[Answer | Behaviour, type[Exception]]] = {
    "policy": (policy(), Rejected),
    "bad input": (BAD_INPUT, Rejected),
    "bad input, flat": (json_answer({"detail": "Invalid"}, status=400), Rejected),
    "unknown model": (json_answer({"detail": "Application not found"}, status=404), Rejected),
    "no such key": (json_answer({"detail": "No user found for Key ID and Secret"}, status=401), NotConfigured),
    "forbidden": (json_answer({"detail": "Forbidden"}, status=403), NotConfigured),
    "locked": (locked(), QuotaExhausted),
    "payment": (json_answer({"detail": "Payment required"}, status=402), QuotaExhausted),
    "too many": (TOO_MANY, Retryable),
    "retryable": (model_error(400, "downstream_service_error", retryable=True), Retryable),
    "500": (model_error(500, "internal_server_error"), Down),
    "500, hopeless": (model_error(500, "internal_server_error", retryable=False), Unavailable),
    "ingress": (ingress(502), Down),
    "redirect": (Answer(302, headers={"Location": "https://login.example/"}), Unavailable),
    "page": (html(), Down),
    "list": (json_answer([]), Retryable),
    "no addresses": (json_answer({"request_id": "x"}), Retryable),
}


@pytest.mark.parametrize("name", SUBMITTED)
async def test_work_that_is_not_accepted(service: FalStandIn, fal: FalProvider, name: str) -> None:
    answer, kind = SUBMITTED[name]
    service.script(answer, call="submit")
    error = await error_of(fal)
    unreadable = name in ("page", "list", "no addresses")
    assert (type(error), error.cost) == (kind, SOMETIMES if unreadable else None)
    assert service.works == {}
    if name == "too many":
        assert isinstance(error, Retryable)
        assert error.after == timedelta(seconds=12)


@pytest.mark.parametrize(("behaviour", "cost"), [(reset, SOMETIMES), (truncated, SOMETIMES), (None, FREE)])
async def test_work_of_which_no_answer_came_may_be_billed(
    service: FalStandIn, fal: FalProvider, behaviour: Behaviour | None, cost: CallCost
) -> None:
    if behaviour is None:
        await service.__aexit__()  # nothing listens any more
    else:
        service.script(behaviour, call="submit")
    error = await error_of(fal)
    assert (type(error), error.cost) == (Down, cost)


RESULTS: dict[str, tuple[Answer, type[Exception], CallCost | None]] = {
    "policy": (policy("violence"), Rejected, SOMETIMES),
    "bad input": (BAD_INPUT, Rejected, SOMETIMES),
    "policy beside others": (
        json_answer({"detail": [{"type": "value_error"}, {"type": "content_policy_violation"}]}, status=422),
        Rejected,
        SOMETIMES,
    ),
    "retryable": (model_error(422, "no_media_generated", retryable=True), Retryable, SOMETIMES),
    "500": (model_error(500, "internal_server_error", retryable=True), Down, NEVER),
    "500, hopeless": (model_error(500, "internal_server_error", retryable=False), Unavailable, NEVER),
    "runner": (platform_error(503, "runner_disconnected"), Down, NEVER),
    "startup": (platform_error(504, "startup_timeout"), Down, NEVER),
    "not begun in time": (LATE, Unavailable, NEVER),
    "no picture": (json_answer({"images": [], "seed": 1}), Retryable, ALWAYS),
    "nothing": (json_answer({}), Retryable, ALWAYS),
    "other shapes": (json_answer({"images": {"a": 1}, "image": 7, "seed": []}), Retryable, ALWAYS),
    "broken data": (json_answer({"images": [{"url": "data:image/png;base64,%%%"}]}), Retryable, ALWAYS),
    "gone": (json_answer({"detail": "Request not found"}, status=404), Retryable, None),
}


@pytest.mark.parametrize("name", RESULTS)
async def test_work_that_ended_without_a_picture(service: FalStandIn, fal: FalProvider, name: str) -> None:
    answer, kind, cost = RESULTS[name]
    service.script(answer, call="result")
    error = await error_of(fal)
    assert (type(error), error.cost) == (kind, cost)
    assert service.calls("cancel") == []
    assert (await edited(fal)).data == PICTURE


STATES: dict[str, tuple[dict[str, Any], type[Exception], CallCost]] = {
    "runner": ({"error": "Runner disconnected", "error_type": "runner_disconnected"}, Down, NEVER),
    "time": ({"error": "Request timed out", "error_type": "request_timeout"}, Down, NEVER),
    "cancelled": ({"error": "Cancelled", "error_type": "client_cancelled"}, Retryable, SOMETIMES),
    "policy": ({"error": "flagged", "error_type": "content_policy_violation"}, Rejected, SOMETIMES),
    "policy in words": ({"error": "422: content_policy_violation"}, Rejected, SOMETIMES),
    "bad request": ({"error": "bad", "error_type": "bad_request"}, Rejected, SOMETIMES),
    "without a type": ({"error": "it broke"}, Down, NEVER),
    "of another shape": ({"error": {"a": 1}, "error_type": 7}, Down, NEVER),
}


@pytest.mark.parametrize("name", STATES)
async def test_completed_work_may_have_failed(service: FalStandIn, fal: FalProvider, name: str) -> None:
    state, kind, cost = STATES[name]
    service.script(completed(**state), call="status")
    error = await error_of(fal)
    assert (type(error), error.cost) == (kind, cost)
    assert service.calls("result") == service.calls("cancel") == []


@pytest.mark.parametrize("call", ["status", "result"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (json_answer({"detail": "no"}, status=401), NotConfigured),
        (locked(), QuotaExhausted),
    ],
)
async def test_a_key_that_is_refused_midway_ends_the_call(
    service: FalStandIn, fal: FalProvider, call: str, answer: Answer, kind: type[Exception]
) -> None:
    service.script(answer, call=call)
    error = await error_of(fal)
    assert (type(error), error.cost) == (kind, SOMETIMES)


@pytest.mark.parametrize("call", ["status", "result"])
async def test_a_service_that_does_not_tell_any_more_is_given_up(
    service: FalStandIn, fal: FalProvider, call: str
) -> None:
    service.script(*[ingress(503)] * (MAX_MISSES + 1), call=call)
    error = await error_of(fal)
    assert (type(error), error.cost) == (Down, SOMETIMES)
    await service.until(lambda: len(service.calls("cancel")) == 1)


async def test_a_question_that_came_too_soon_is_asked_again_when_the_service_says(
    service: FalStandIn, fal: FalProvider
) -> None:
    service.script(json_answer({}, status=429, headers={"Retry-After": "0.01"}), call="status")
    assert (await edited(fal)).data == PICTURE
    service.script(json_answer({}, status=429, headers={"Retry-After": "3600"}), call="status")
    error = await error_of(fal)
    assert isinstance(error, Retryable)
    assert error.after == timedelta(hours=1)


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"status": "ALREADY_COMPLETED"}, status=400),
        json_answer({"status": "NOT_FOUND"}, status=404),
        Answer(202),
    ],
)
async def test_work_that_cannot_be_cancelled_any_more_is_left(
    service: FalStandIn, fal: FalProvider, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    service.script(json_answer({"detail": "no"}, status=401), call="status")
    service.script(answer, call="cancel")
    await error_of(fal)
    await fal.close()
    assert len(service.calls("cancel")) == 1
    assert caplog.records == []


async def test_work_that_could_not_be_cancelled_is_logged(
    service: FalStandIn, fal: FalProvider, caplog: pytest.LogCaptureFixture
) -> None:
    service.script(json_answer({"detail": "no"}, status=401), call="status")
    service.script(json_answer({"detail": "no"}, status=401), call="cancel")
    await error_of(fal)
    await fal.close()
    assert "cancelling work at fal failed" in caplog.text


async def test_a_black_picture_with_its_flag_is_a_refusal(service: FalStandIn, fal: FalProvider) -> None:
    service.result = {"has_nsfw_concepts": [True]}
    error = await error_of(fal)
    assert (type(error), error.cost) == (Rejected, ALWAYS)
    assert service.delivery.received == []
    unchecked = await edited(fal, {"input": {"enable_safety_checker": False}})
    assert unchecked.data == PICTURE
    for flags in ([False], [], None, "yes", [None]):
        service.result = {"has_nsfw_concepts": flags}
        assert (await edited(fal)).data == PICTURE
