"""What the answers of the BFL API mean to the provider `bfl`: states, refusals, errors, limits, lost pictures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from photochanger.adapters.providers.bfl.answers import cost_of, number
from photochanger.adapters.providers.bfl.provider import MAX_UNKNOWN_STATES, BflProvider
from photochanger.adapters.providers.queued import MAX_FETCHES
from photochanger.core.domain.costs.call_cost import CallCost, Charged
from photochanger.core.ports.provider import (
    Down,
    NotConfigured,
    ProviderError,
    QuotaExhausted,
    Rejected,
    Retryable,
    Unavailable,
)

from tests.support.standins.bfl import KEY, MAX_IN_PROGRESS, PICTURE, BflStandIn, Work, limited_in_flight
from tests.support.standins.bfl_calls import bfl, context, edited, error_of, service
from tests.support.standins.picture_origin import EXPIRED
from tests.support.standins.server import (
    Answer,
    Behaviour,
    bad_json,
    html,
    json_answer,
    reset,
    reset_after_acceptance,
    truncated,
)

__all__ = ["bfl", "context", "service"]

pytestmark = pytest.mark.anyio

BILLED = CallCost(usd_micros=45_000, exact=True)
PERHAPS = CallCost(usd_micros=45_000, exact=True, charged=Charged.UNKNOWN)


@pytest.mark.parametrize("name", ["Request Moderated", "Content Moderated"])
@pytest.mark.parametrize("field", ["status", "state"])
async def test_moderated_work_is_refused_for_good(bfl: BflProvider, service: BflStandIn, name: str, field: str) -> None:
    service.status_name = field
    details = {"Moderation Reasons": ["Derivative Works Filter"]}
    service.script(service.state(name, details=details), call="poll")
    error = await error_of(bfl)
    assert (type(error), error.verdict) == (Rejected, "rejected"), "the breaker counts no refusals"
    assert error.cost == PERHAPS
    assert (len(service.calls("submit")), len(service.calls("poll"))) == (1, 1)


@pytest.mark.parametrize("name", ["Error", "Failed"])
async def test_failed_work_is_an_outage_unless_it_was_a_refusal(
    bfl: BflProvider, service: BflStandIn, name: str
) -> None:
    service.script(service.state(name, error="CUDA error"), call="poll")
    error = await error_of(bfl)
    assert (type(error), "CUDA error" in error.reason, error.cost) == (Down, True, PERHAPS)
    service.script(service.state(name, error="content_policy_violation"), call="poll")
    assert type(await error_of(bfl)) is Rejected
    service.script(service.state(name, details={"error": f"no memory {KEY}"}), call="poll")
    assert type(await error_of(bfl)) is Down


@pytest.mark.parametrize(
    "result", [None, {}, {"sample": None}, {"sample": ""}, {"sample": "x" * 20_000}, {"sample": "not an address"}]
)
async def test_ready_work_without_a_picture_is_worth_another_call(
    bfl: BflProvider, service: BflStandIn, result: Any
) -> None:
    service.script(service.state("Ready", result=result), call="poll")
    error = await error_of(bfl)
    assert (type(error), error.cost) == (Retryable, BILLED)
    assert service.pictures.received == []


async def test_an_unknown_state_is_asked_for_again_but_not_for_ever(bfl: BflProvider, service: BflStandIn) -> None:
    unknown = service.state("Dreaming")
    service.script(*[unknown] * MAX_UNKNOWN_STATES, service.state("Queued"), unknown, call="poll")
    assert (await edited(bfl)).data == PICTURE
    service.script(*[service.state("Dreaming about " + "x" * 500)] * (MAX_UNKNOWN_STATES + 1), call="poll")
    error = await error_of(bfl)
    assert (type(error), "Dreaming" in error.reason, error.cost) == (Unavailable, True, PERHAPS)
    assert len(error.reason) < 200
    service.script(*[json_answer({"id": "1"})] * (MAX_UNKNOWN_STATES + 1), call="poll")
    assert "none" in (await error_of(bfl)).reason


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (json_answer({"detail": "Not authenticated"}, status=401), NotConfigured, "refuses the key (401)"),
        (json_answer({"detail": f"{KEY} may not"}, status=403), NotConfigured, "refuses the key (403)"),
        (json_answer({"detail": "Insufficient credits"}, status=402), QuotaExhausted, "no credits"),
        (json_answer({"message": "Bad prompt"}, status=400), Rejected, "Bad prompt"),
        (json_answer({"detail": [{"loc": ["body", "x"], "msg": "Too large"}]}, status=422), Rejected, "Too large"),
        (json_answer({"detail": "Not Found"}, status=404), Rejected, "does not know the model 'flux-2-pro'"),
        (json_answer({"detail": 7}, status=418), Rejected, "418"),
        (json_answer([], status=400), Rejected, "400"),
        (Answer(301, headers={"Location": "https://elsewhere.example"}), Unavailable, "redirects"),
        (json_answer({"error": "overloaded"}, status=503), Down, "overloaded"),
        (json_answer({}, status=408), Down, "408"),
        (html(502), Down, "502"),
        (html(200), Down, "other than JSON"),
        (bad_json(), Down, "other than JSON"),
        (json_answer({"id": "1"}), Retryable, "another shape"),
        (json_answer({"id": 1, "polling_url": None}), Retryable, "another shape"),
    ],
)
async def test_a_submission_that_fails_has_its_verdict(
    bfl: BflProvider, service: BflStandIn, answer: Answer | Behaviour, kind: type[ProviderError], said: str
) -> None:
    service.script(answer, call="submit")
    error = await error_of(bfl)
    assert (type(error), said in error.reason) == (kind, True), error.reason
    assert len(service.received) == 1, "nothing else is asked, and nothing is asked again"
    assert (await edited(bfl)).data == PICTURE


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (limited_in_flight(header="7", seconds=3), 7),
        (limited_in_flight(seconds=3.5), 3.5),
        (limited_in_flight(seconds=None), None),
        (limited_in_flight(seconds=-1), None),
        (json_answer({"detail": "Please try again in 12s"}, status=429), 12),
        (json_answer({"retry_after": True}, status=429), None),
        (json_answer({"retry_after": 10**30}, status=429), None),
    ],
)
async def test_a_429_names_when_to_come_back(
    bfl: BflProvider, service: BflStandIn, answer: Answer, after: float | None
) -> None:
    service.script(answer, call="submit")
    error = await error_of(bfl)
    assert isinstance(error, Retryable)
    assert type(error) is Retryable
    assert error.after == (None if after is None else timedelta(seconds=after))
    assert error.cost is None, "nothing was taken"


async def test_more_work_than_an_account_may_have_in_progress_is_limited(bfl: BflProvider, service: BflStandIn) -> None:
    for each in range(MAX_IN_PROGRESS):
        service.works[f"other-{each}"] = Work(model="flux-2-pro", fields={}, pictures=[], cost=4.5)
    error = await error_of(bfl)
    assert (type(error), getattr(error, "after", None)) == (Retryable, timedelta(seconds=5))
    service.works.popitem()
    assert (await edited(bfl)).data == PICTURE
    assert (bfl.info.max_concurrent or 0) < MAX_IN_PROGRESS, "the service knows of the end of work a little later"


@pytest.mark.parametrize("behaviour", [reset, reset_after_acceptance, truncated])
async def test_a_lost_answer_to_a_submission_may_have_been_billed(
    bfl: BflProvider, service: BflStandIn, behaviour: Behaviour
) -> None:
    service.script(behaviour, call="submit")
    error = await error_of(bfl)
    assert (type(error), error.cost) == (Down, CallCost(usd_micros=45_000, charged=Charged.UNKNOWN))


async def test_single_failures_of_questions_end_nothing(bfl: BflProvider, service: BflStandIn) -> None:
    service.script(Answer(500), reset, html(), limited_in_flight(seconds=0), call="poll")
    assert (await edited(bfl)).data == PICTURE
    assert len(service.calls("submit")) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(401, NotConfigured), (402, QuotaExhausted), (302, Unavailable), (422, Rejected)]
)
async def test_a_question_that_is_refused_ends_the_call(
    bfl: BflProvider, service: BflStandIn, status: int, kind: type[ProviderError]
) -> None:
    service.script(Answer(status, b"{}"), call="poll")
    error = await error_of(bfl)
    assert (type(error), error.cost) == (kind, PERHAPS)


async def test_a_picture_that_has_expired_costs_what_it_cost(bfl: BflProvider, service: BflStandIn) -> None:
    service.pictures.script(EXPIRED, EXPIRED)
    assert (await edited(bfl)).data == PICTURE
    service.pictures.script(*[EXPIRED] * MAX_FETCHES)
    error = await error_of(bfl)
    assert (type(error), "403" in error.reason, error.cost) == (Retryable, True, BILLED)
    service.pictures.script(service.pictures.redirecting(), html(), Answer(404), truncated)
    assert (await error_of(bfl)).cost == BILLED


@pytest.mark.parametrize("seed", ["4711", 1.5, True, -1, 2**70, None])
async def test_a_seed_that_is_none_is_left_out(bfl: BflProvider, service: BflStandIn, seed: Any) -> None:
    sample = {"sample": service.pictures.put(PICTURE), "seed": seed}
    service.script(service.state("Ready", result=sample), call="poll")
    assert (await edited(bfl)).seed is None
    sample = {"sample": service.pictures.put(PICTURE), "seed": seed}
    service.script(service.state("Ready", result=sample), call="poll")
    assert (await edited(bfl, {"seed": 9})).seed == 9, "the one that was asked for"


async def test_the_cost_may_come_with_the_result(bfl: BflProvider, service: BflStandIn) -> None:
    service.tells_cost = False
    sample = {"sample": service.pictures.put(PICTURE), "seed": 1}
    service.script(service.state("Ready", result=sample, cost=4.4), call="poll")
    assert (await edited(bfl)).cost == CallCost(usd_micros=44_000, exact=True)


@pytest.mark.parametrize("value", ["4.5", None, True, -0.1, 10**400, 1e300, [4.5], {"credits": 4}])
def test_what_is_no_amount_is_no_cost(value: Any) -> None:
    assert (number(value), cost_of(value)) == (None, None)


@pytest.mark.parametrize(("credits", "micros"), [(0, 0), (4.5, 45_000), (1.4, 14_000), (0.333333, 3333), (7, 70_000)])
def test_credits_are_us_cents(credits: float, micros: int) -> None:
    assert cost_of(credits) == CallCost(usd_micros=micros, exact=True)
