"""The life of predictions at Replicate and of their files: resumed, cancelled, deleted, asked for again, fetched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from photochanger.adapters.providers.queued import MAX_FETCHES
from photochanger.adapters.providers.replicate.provider import ReplicateProvider
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.media import Picture
from photochanger.core.ports.provider import Down, NotConfigured, ProviderError, Rejected, Retryable, Unavailable
from photochanger.core.services.support.concurrency import TaskSet

from tests.support import photos
from tests.support.standins.calls import FixedContext, References
from tests.support.standins.replicate import KEY, PICTURE, ReplicateStandIn, problem
from tests.support.standins.replicate_calls import TICK, context, edited, error_of, replicate, service
from tests.support.standins.server import Answer, drip, end_of_window, flood, hang, html, json_answer, reset, truncated

pytestmark = pytest.mark.anyio

__all__ = ["context", "replicate", "service"]

COST = CallCost(usd_micros=40_000)
LARGE = Picture(photos.jpeg(1000, 800, quality=97, grain=20.0), "image/jpeg", 1000, 800)


@pytest.mark.parametrize("call", ["create", "get", "cancelled", "refused"])
async def test_uploaded_photos_are_deleted_however_the_call_ends(
    service: ReplicateStandIn, replicate: ReplicateProvider, call: str
) -> None:
    if call == "create":
        service.script(problem(422, "no"), call="create")
    elif call == "get":
        service.script(problem(401, "no"), call="get")
    elif call == "refused":
        service.changes = {"status": "failed", "error": "flagged as sensitive (E005)"}
    else:
        service.script(hang, call="get")
    calls = TaskSet()
    task = calls.start(edited(replicate, photo=LARGE), name="call")
    async with asyncio.timeout(120):
        if call == "cancelled":
            await service.until(lambda: len(service.calls("get")) == 1)
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or isinstance(task.exception(), ProviderError)
        await service.until(lambda: len(service.deleted) == 1)


async def test_files_that_cannot_be_deleted_are_logged(
    service: ReplicateStandIn, replicate: ReplicateProvider, caplog: pytest.LogCaptureFixture
) -> None:
    service.script(problem(500, "no"), call="delete")
    assert (await edited(replicate, photo=LARGE)).data == PICTURE
    await replicate.close()
    assert "deleting an uploaded picture at Replicate failed" in caplog.text
    service.files.clear()


@pytest.mark.parametrize(
    "answer", [problem(422, "no"), json_answer({"id": "x"}), json_answer({"id": "../x", "urls": {"get": "u"}})]
)
async def test_an_upload_that_fails_makes_no_prediction(
    service: ReplicateStandIn, replicate: ReplicateProvider, answer: Answer
) -> None:
    service.script(answer, call="upload")
    assert type(await error_of(replicate, photo=LARGE)) in (Rejected, Retryable)
    assert service.works == {}


async def test_a_prediction_of_a_worker_that_died_is_resumed_and_its_files_deleted(
    service: ReplicateStandIn, replicate: ReplicateProvider, context: FixedContext
) -> None:
    references, calls = References(), TaskSet()
    service.steps = 10**6
    call = calls.start(edited(replicate, photo=LARGE, references=references), name="call of a worker that dies")
    async with asyncio.timeout(120):
        await service.until(lambda: len(service.calls("get")) > 1)
    (reference,) = references.noted
    assert len(reference) < 1000  # more is not saved
    other = ReplicateProvider(context, pace=TICK)
    (work,) = service.works.values()
    work.steps = 2
    result = await edited(other, reference=reference, references=references, photo=LARGE)
    assert (result.data, result.remarks["resumed"], result.cost) == (PICTURE, True, COST)
    assert (len(service.calls("create")), len(service.calls("upload")), len(references.noted)) == (1, 1, 1)
    await other.close()
    assert len(service.deleted) == 1
    call.cancel()
    await asyncio.wait([call])


@pytest.mark.parametrize(
    "reference",
    ["", "p123", "{}", '{"id": 1}', '{"id": "../files"}', '{"id": "a", "files": ["../x"]}', '{"id": "a", "files": 1}'],
)
async def test_a_reference_that_is_none_is_worth_a_fresh_call(
    service: ReplicateStandIn, replicate: ReplicateProvider, reference: str
) -> None:
    assert type(await error_of(replicate, reference=reference)) is Retryable
    assert service.received == []


async def test_a_prediction_that_is_no_longer_known_is_worth_a_fresh_call(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    assert type(await error_of(replicate, reference='{"id": "p123"}')) is Retryable
    assert (await edited(replicate)).data == PICTURE


async def test_a_call_that_is_cancelled_while_it_creates_is_cancelled_at_the_service(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    service.steps = 10**6
    calls = TaskSet()
    call = calls.start(edited(replicate, photo=LARGE), name="call")
    async with asyncio.timeout(120):
        await service.until(lambda: len(service.calls("create")) == 1)
        call.cancel()
        await asyncio.wait([call])
        await service.until(lambda: service.cancels == list(service.works) != [])
        await service.until(lambda: len(service.deleted) == 1)


async def test_a_prediction_that_has_finished_when_it_is_cancelled_is_no_fault(
    service: ReplicateStandIn, replicate: ReplicateProvider, caplog: pytest.LogCaptureFixture
) -> None:
    service.script(problem(401, "no"), call="get")
    service.script(problem(422, "Prediction has already finished"), call="cancel")
    assert type(await error_of(replicate)) is NotConfigured
    await replicate.close()
    assert len(service.calls("cancel")) == 1
    assert caplog.records == []


async def test_a_call_that_runs_out_of_time_is_cancelled_at_the_service(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    async def attempt(seconds: float) -> None:
        service.seconds = int(seconds)
        error = await error_of(replicate, seconds=seconds)
        assert type(error) in (Down, Unavailable, Retryable)

    service.steps = 10**6
    await end_of_window(service, hang, attempt, call="get")
    async with asyncio.timeout(120):
        await service.until(lambda: len(service.cancels) > 0)


@pytest.mark.parametrize(
    "behaviour",
    [reset, truncated, html(502), html(200), Answer(500), json_answer([]), json_answer({"id": "a", "status": "lost"})],
    ids=["reset", "truncated", "502", "page", "500", "list", "unknown state"],
)
async def test_single_failures_of_questions_cost_nothing(
    service: ReplicateStandIn, replicate: ReplicateProvider, behaviour: Any
) -> None:
    service.script(behaviour, behaviour, call="get")
    assert (await edited(replicate)).data == PICTURE
    assert len(service.works) == 1


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (Answer(404), Retryable),
        (html(), Retryable),
        (truncated, Down),
        (Answer(302, headers={"Location": "/files/elsewhere"}), Retryable),
        (flood(65 * 1024 * 1024, content_type="image/png"), Rejected),
    ],
    ids=["expired", "page", "truncated", "redirect", "flood"],
)
async def test_a_result_that_never_comes_is_paid_for(
    service: ReplicateStandIn, replicate: ReplicateProvider, behaviour: Any, kind: type[ProviderError]
) -> None:
    service.delivery.script(*[behaviour] * MAX_FETCHES)
    error = await error_of_fetch(replicate)
    assert (type(error), error.cost) == (kind, COST)
    assert "/files/elsewhere" not in {request.path for request in service.delivery.received}
    assert len(service.works) == 1


async def error_of_fetch(replicate: ReplicateProvider, **others: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await edited(replicate, **others)
    return raised.value


async def test_the_result_is_fetched_again_where_its_host_fails(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    service.delivery.script(Answer(404), html(), reset)
    assert (await edited(replicate)).data == PICTURE
    assert len(service.delivery.received) == MAX_FETCHES


async def test_a_result_that_drips_ends_with_the_window(
    service: ReplicateStandIn, replicate: ReplicateProvider
) -> None:
    async def attempt(seconds: float) -> None:
        service.seconds = int(seconds)
        assert type(await error_of_fetch(replicate, seconds=seconds)) is Down

    await end_of_window(service.delivery, drip(), attempt)


async def test_a_result_in_the_own_network_is_not_fetched(service: ReplicateStandIn) -> None:
    replicate = ReplicateProvider(FixedContext(secret=KEY, base_url=service.base_url), pace=TICK)
    error = await error_of_fetch(replicate)
    assert (type(error), "public" in error.reason) == (Unavailable, True)
    assert service.delivery.received == []
    await replicate.close()
