"""The life of work in fal's queue: resumed, cancelled, asked for again, fetched; and where the key goes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from photochanger.adapters.providers.fal.provider import FalProvider
from photochanger.adapters.providers.queued import MAX_FETCHES
from photochanger.core.domain.costs.call_cost import CallCost, Charged
from photochanger.core.ports.provider import Down, Rejected, Retryable, Unavailable
from photochanger.core.services.support.concurrency import TaskSet

from tests.support.standins.calls import FixedContext, References
from tests.support.standins.fal import KEY, PICTURE, FalStandIn, ingress
from tests.support.standins.fal_calls import TICK, context, edited, error_of, fal, service
from tests.support.standins.server import Answer, drip, end_of_window, flood, hang, html, json_answer, reset, truncated

pytestmark = pytest.mark.anyio

__all__ = ["context", "fal", "service"]

COST = CallCost(usd_micros=45_000)


async def test_work_of_a_worker_that_died_is_resumed_and_nothing_is_queued(
    service: FalStandIn, fal: FalProvider, context: FixedContext
) -> None:
    references, calls = References(), TaskSet()
    service.steps = 10**6
    call = calls.start(edited(fal, references=references), name="call of a worker that dies")
    async with asyncio.timeout(120):
        await service.until(lambda: len(service.calls("status")) > 1)
    (reference,) = references.noted
    assert len(reference) < 1000  # more is not saved
    assert KEY not in reference
    other = FalProvider(context, pace=TICK)
    (work,) = service.works.values()
    work.steps = 2
    result = await edited(other, reference=reference, references=references)
    assert (result.data, result.remarks["resumed"], result.cost) == (PICTURE, True, COST)
    assert (len(service.calls("submit")), len(references.noted)) == (1, 1)
    await other.close()
    call.cancel()
    await asyncio.wait([call])


@pytest.mark.parametrize(
    "reference",
    ["", "work-1", "{}", "[]", '{"request_id": 1}', "\x00", "https://queue.fal.run/x"],
)
async def test_a_reference_that_is_none_is_worth_a_fresh_call(
    service: FalStandIn, fal: FalProvider, reference: str
) -> None:
    error = await error_of(fal, reference=reference)
    assert type(error) is Retryable
    assert service.received == []


async def test_work_that_is_no_longer_known_is_worth_a_fresh_call(service: FalStandIn, fal: FalProvider) -> None:
    references = References()
    await edited(fal, references=references)
    service.works.clear()
    error = await error_of(fal, reference=references.noted[0])
    assert type(error) is Retryable
    assert (await edited(fal)).data == PICTURE


async def test_a_reference_never_takes_the_key_elsewhere(service: FalStandIn, fal: FalProvider) -> None:
    references = References()
    await edited(fal, references=references)
    received = len(service.received)
    for name in ("status_url", "response_url", "cancel_url"):
        stolen = {**json.loads(references.noted[0]), name: f"{service.delivery.url}/steal"}
        assert type(await error_of(fal, reference=json.dumps(stolen))) is Retryable
    assert len(service.received) == received
    assert len(service.delivery.received) == 1


async def test_addresses_of_other_hosts_are_never_called_with_the_key(service: FalStandIn, fal: FalProvider) -> None:
    service.address = service.delivery.url
    error = await error_of(fal)
    assert type(error) is Unavailable
    assert error.cost == CallCost(usd_micros=45_000, charged=Charged.UNKNOWN)
    assert service.delivery.received == []


async def test_a_cancelled_call_is_cancelled_at_the_service(service: FalStandIn, fal: FalProvider) -> None:
    service.steps = 10**6
    calls = TaskSet()
    call = calls.start(edited(fal), name="call")
    async with asyncio.timeout(120):
        await service.until(lambda: len(service.calls("status")) > 1)
        call.cancel()
        await asyncio.wait([call])
        await service.until(lambda: service.cancels == list(service.works))
    assert call.cancelled()


async def test_a_call_that_is_cancelled_while_it_queues_is_cancelled_at_the_service(
    service: FalStandIn, fal: FalProvider
) -> None:
    service.steps = 10**6
    calls = TaskSet()
    call = calls.start(edited(fal), name="call")
    async with asyncio.timeout(120):
        await service.until(lambda: len(service.calls("submit")) == 1)
        call.cancel()
        await asyncio.wait([call])
        await service.until(lambda: service.cancels == list(service.works) != [])


async def test_work_that_is_finished_when_it_is_cancelled_is_no_fault(
    service: FalStandIn, fal: FalProvider, caplog: pytest.LogCaptureFixture
) -> None:
    service.script(hang, call="result")
    calls = TaskSet()
    call = calls.start(edited(fal), name="call")
    async with asyncio.timeout(120):
        await service.until(lambda: len(service.calls("result")) == 1)
        call.cancel()
        await asyncio.wait([call])
        await service.until(lambda: len(service.calls("cancel")) == 1)
    await fal.close()
    assert service.cancels == []
    assert caplog.records == []


async def test_a_call_that_runs_out_of_time_is_cancelled_at_the_service(service: FalStandIn, fal: FalProvider) -> None:
    async def attempt(seconds: float) -> None:
        service.seconds = max(seconds, 1.1)
        error = await error_of(fal, seconds=seconds)
        assert type(error) in (Down, Unavailable, Retryable)

    service.steps = 10**6
    await end_of_window(service, hang, attempt, call="status")
    async with asyncio.timeout(120):
        await service.until(lambda: len(service.cancels) > 0)


@pytest.mark.parametrize(
    "behaviour",
    [reset, truncated, html(502), html(200), Answer(500), json_answer([]), json_answer({"status": "LOST"})],
    ids=["reset", "truncated", "502", "page", "500", "list", "unknown state"],
)
async def test_single_failures_of_questions_cost_nothing(service: FalStandIn, fal: FalProvider, behaviour: Any) -> None:
    service.script(behaviour, behaviour, call="status")
    service.script(reset, ingress(502), html(200), call="result")
    assert (await edited(fal)).data == PICTURE
    assert len(service.works) == 1


async def test_the_result_is_fetched_again_where_its_host_fails(service: FalStandIn, fal: FalProvider) -> None:
    service.delivery.script(Answer(404), html(), reset)
    assert (await edited(fal)).data == PICTURE
    assert len(service.delivery.received) == MAX_FETCHES
    assert len(service.works) == 1


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (Answer(403), Retryable),
        (Answer(404), Retryable),
        (html(), Retryable),
        (truncated, Down),
        (Answer(302, headers={"Location": "/files/elsewhere"}), Retryable),
        (flood(65 * 1024 * 1024, content_type="image/png"), Rejected),
    ],
    ids=["403", "404", "page", "truncated", "redirect", "flood"],
)
async def test_a_result_that_never_comes_is_paid_for(
    service: FalStandIn, fal: FalProvider, behaviour: Any, kind: type[Exception]
) -> None:
    service.delivery.script(*[behaviour] * MAX_FETCHES)
    with pytest.raises(kind) as raised:
        await edited(fal)
    assert type(raised.value) is kind
    assert raised.value.cost == COST  # type: ignore[attr-defined]
    assert "/files/elsewhere" not in {request.path for request in service.delivery.received}


async def test_a_result_that_drips_ends_with_the_window(service: FalStandIn, fal: FalProvider) -> None:
    async def attempt(seconds: float) -> None:
        service.seconds = max(seconds, 1.1)
        with pytest.raises(Down):
            await edited(fal, seconds=seconds)

    await end_of_window(service.delivery, drip(), attempt)


async def test_a_result_in_the_own_network_is_not_fetched(service: FalStandIn) -> None:
    fal = FalProvider(FixedContext(secret=KEY, base_url=service.url), pace=TICK)
    with pytest.raises(Unavailable, match="public"):
        await edited(fal)
    assert service.delivery.received == []
    await fal.close()
