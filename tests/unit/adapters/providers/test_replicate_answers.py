"""What each answer of Replicate means: for the route, for the guest, and for the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.queued import MAX_MISSES
from photochanger.adapters.providers.replicate.provider import ReplicateProvider
from photochanger.core.domain.costs.call_cost import FREE, CallCost, Charged
from photochanger.core.ports.provider import Down, NotConfigured, QuotaExhausted, Rejected, Retryable, Unavailable

from tests.support.standins.replicate import PICTURE, ReplicateStandIn, problem, throttled
from tests.support.standins.replicate_calls import context, edited, error_of, replicate, service
from tests.support.standins.server import Answer, Behaviour, html, json_answer, reset, truncated

pytestmark = pytest.mark.anyio

__all__ = ["context", "replicate", "service"]

SOMETIMES, NEVER, ALWAYS = (
    CallCost(usd_micros=40_000, charged=charged) for charged in (Charged.UNKNOWN, Charged.NO, Charged.YES)
)

CREATED: dict[str, tuple[Answer | Behaviour, type[Exception]]] = {
    "input": (problem(422, "- input.seed: Must be less than or equal to 2147483647"), Rejected),
    "too large": (problem(413, "Request entity too large"), Rejected),
    "unknown model": (problem(404, "The requested resource could not be found."), Rejected),
    "no such key": (problem(401, "You did not pass a valid authentication token"), NotConfigured),
    "forbidden": (problem(403, "You do not have permission"), NotConfigured),
    "payment": (problem(402, "You have insufficient credit to run this model."), QuotaExhausted),
    "throttled": (throttled(), Retryable),
    "conflict": (problem(409, "A conflict"), Retryable),
    "500": (problem(500, "Internal server error"), Down),
    "on the way": (html(502), Down),
    "page": (html(), Down),
    "page of an error": (html(400), Down),
    "redirect": (Answer(302, headers={"Location": "https://login.example/"}), Unavailable),
    "list": (json_answer([]), Retryable),
    "no id": (json_answer({"status": "starting"}, status=201), Retryable),
    "id that is a path": (json_answer({"id": "../account", "status": "starting"}, status=201), Retryable),
}


@pytest.mark.parametrize("name", CREATED)
async def test_predictions_that_are_not_accepted(
    service: ReplicateStandIn, replicate: ReplicateProvider, name: str
) -> None:
    answer, kind = CREATED[name]
    service.script(answer, call="create")
    error = await error_of(replicate)
    unreadable = name in ("page", "list", "no id", "id that is a path")
    assert (type(error), error.cost) == (kind, SOMETIMES if unreadable else None)
    assert service.works == {}
    assert len(service.received) == 1
    if name == "throttled":
        assert isinstance(error, Retryable)
        assert error.after == timedelta(seconds=30)


@pytest.mark.parametrize(("behaviour", "cost"), [(reset, SOMETIMES), (truncated, SOMETIMES), (None, FREE)])
async def test_a_prediction_of_which_no_answer_came_may_be_billed(
    service: ReplicateStandIn, replicate: ReplicateProvider, behaviour: Behaviour | None, cost: CallCost
) -> None:
    if behaviour is None:
        await service.__aexit__()  # nothing listens any more
    else:
        service.script(behaviour, call="create")
    error = await error_of(replicate)
    assert (type(error), error.cost) == (Down, cost)


ENDED: dict[str, tuple[dict[str, Any], type[Exception], CallCost]] = {
    "refused": ({"status": "failed", "error": "The input was flagged as sensitive. (E005)"}, Rejected, SOMETIMES),
    "refused by a code": ({"status": "failed", "error": "ModelError: E005"}, Rejected, SOMETIMES),
    "not for guests": ({"status": "failed", "error": "NSFW content detected. Try again"}, Rejected, SOMETIMES),
    "moderated": ({"status": "failed", "error": "Request was Moderated"}, Rejected, SOMETIMES),
    "out of memory": ({"status": "failed", "error": "E1001: CUDA out of memory"}, Down, SOMETIMES),
    "unknown": ({"status": "failed", "error": "E1000: Unknown error"}, Retryable, SOMETIMES),
    "without a word": ({"status": "failed", "error": None}, Retryable, SOMETIMES),
    "another shape": ({"status": "failed", "error": {"code": "E005"}}, Retryable, SOMETIMES),
    "cancelled": ({"status": "canceled"}, Retryable, ALWAYS),
    "aborted": ({"status": "aborted"}, Retryable, NEVER),
    "nothing": ({"output": None}, Retryable, ALWAYS),
    "an empty list": ({"output": []}, Retryable, ALWAYS),
    "no text": ({"output": {"image": "x"}}, Retryable, ALWAYS),
    "removed": ({"output": None, "data_removed": True}, Retryable, ALWAYS),
    "broken data": ({"output": "data:image/png;base64,%%%"}, Retryable, ALWAYS),
}


@pytest.mark.parametrize("wait", [0, 10])
@pytest.mark.parametrize("name", ENDED)
async def test_predictions_that_ended_without_a_picture(
    service: ReplicateStandIn, replicate: ReplicateProvider, name: str, wait: int
) -> None:
    service.changes, kind, cost = ENDED[name]
    error = await error_of(replicate, {"wait": wait})
    assert (type(error), error.cost) == (kind, cost)
    assert service.calls("cancel") == []
    service.changes = {}
    assert (await edited(replicate)).data == PICTURE


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(problem(401, "no"), NotConfigured), (problem(402, "no"), QuotaExhausted), (problem(400, "no"), Rejected)],
)
async def test_a_key_that_is_refused_midway_ends_the_call(
    service: ReplicateStandIn, replicate: ReplicateProvider, answer: Answer, kind: type[Exception]
) -> None:
    service.script(answer, call="get")
    error = await error_of(replicate)
    assert (type(error), error.cost) == (kind, SOMETIMES)


async def test_a_service_that_does_not_tell_any_more_is_given_up(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    service.script(*[html(503)] * (MAX_MISSES + 1), call="get")
    error = await error_of(replicate)
    assert (type(error), error.cost) == (Down, SOMETIMES)
    await service.until(lambda: len(service.cancels) == 1)


async def test_a_question_that_is_throttled_is_asked_again_when_the_service_says(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    service.script(problem(429, "no", headers={"Retry-After": "0.01"}), call="get")
    assert (await edited(replicate)).data == PICTURE
    service.script(throttled(3600), call="get")
    error = await error_of(replicate)
    assert isinstance(error, Retryable)
    assert error.after == timedelta(hours=1)


async def test_a_prediction_that_could_not_be_cancelled_is_logged(
    service: ReplicateStandIn, replicate: ReplicateProvider, caplog: pytest.LogCaptureFixture
) -> None:
    service.script(problem(401, "no"), call="get")
    service.script(problem(401, "no"), call="cancel")
    await error_of(replicate)
    await replicate.close()
    assert "cancelling work at Replicate failed" in caplog.text
