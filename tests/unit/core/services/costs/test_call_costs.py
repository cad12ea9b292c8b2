"""The ledger of a job's calls: each call once, however it ends, and what the database does meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from photochanger.core.domain.costs.call_cost import FREE, CallCost, Charged
from photochanger.core.domain.costs.ledger import MAX_CALL_MICROS, LedgerCall
from photochanger.core.domain.errors import QueueUnavailable
from photochanger.core.domain.job import Job, JobState
from photochanger.core.domain.validation import MAX_NAME_CHARS
from photochanger.core.ports.provider import Down, Rejected, Retryable

from tests.support.world import SECOND, TORN, ScriptedProvider, World, never

pytestmark = pytest.mark.anyio

PRICE = CallCost(usd_micros=30_000, charged=Charged.UNKNOWN)
WINDOW = timedelta(seconds=48)


async def made_by(*script: Any, price: CallCost | None = PRICE, cost: CallCost | None = None, **slot: Any) -> Any:
    """A world, the job that this provider's route ended, and the job's calls in the ledger."""
    provider = ScriptedProvider("cloud", *script, price=price, model="m-2", seed=7)
    provider.cost = cost
    world = World(provider)
    await world.slot("cloud", **slot)
    await world.submit()
    job = await world.work()
    return world, job, await world.ledger.of_job(job.id)


def facts(calls: list[LedgerCall]) -> list[tuple[int | None, bool, Charged]]:
    return [(call.usd_micros, call.exact, call.charged) for call in calls]


async def test_a_picture_costs_what_the_provider_says() -> None:
    world, job, calls = await made_by(cost=CallCost(usd_micros=41_500, exact=True))
    assert facts(calls) == [(41_500, True, Charged.YES)]
    (call,) = calls
    assert (call.provider_id, call.operation_id, call.attempt, call.entry, call.call) == ("cloud", "enhance", 1, 0, 1)
    assert call.model == "m-2"
    assert (job.result.model, job.result.seed) == ("m-2", 7)
    assert world.telemetry.of("cost_counted") == [
        {"provider_id": "cloud", "slot_id": "slot-001", "usd_micros": 41_500},
    ]


async def test_a_picture_without_a_cost_costs_what_was_expected() -> None:
    _, _, calls = await made_by()
    assert facts(calls) == [(30_000, False, Charged.YES)]


async def test_a_picture_without_any_price_is_in_the_ledger_without_an_amount() -> None:
    _, _, calls = await made_by(price=None)
    assert facts(calls) == [(None, False, Charged.YES)]


async def test_what_a_provider_says_of_itself_is_kept_within_bounds() -> None:
    provider = ScriptedProvider(
        "cloud", price=CallCost(usd_micros=10**40), model="m\0-\ud8002\n" + "x" * 10**6, seed=2**70
    )
    provider.cost = CallCost(usd_micros=10**30)
    world = World(provider)
    await world.slot("cloud")
    await world.submit()
    job = await world.work()
    (call,) = await world.ledger.of_job(job.id)
    assert call.usd_micros == MAX_CALL_MICROS
    assert call.model == job.result.model == "m-2" + "x" * (MAX_NAME_CHARS - 3)
    assert job.result.seed is None


async def test_free_calls_are_not_in_the_ledger() -> None:
    _, job, calls = await made_by(price=FREE)
    assert job.state is JobState.SUCCEEDED
    assert calls == []


async def test_a_call_that_was_expected_to_be_free_and_is_not_is_in_the_ledger() -> None:
    _, _, calls = await made_by(price=FREE, cost=CallCost(usd_micros=5))
    assert facts(calls) == [(5, False, Charged.YES)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Rejected("no"), (30_000, False, Charged.NO)),
        (Rejected("no", cost=CallCost(usd_micros=9, exact=True)), (9, True, Charged.YES)),
        (TimeoutError(), (30_000, False, Charged.UNKNOWN)),
        (RuntimeError("a defect"), (30_000, False, Charged.UNKNOWN)),
    ],
)
async def test_a_failed_call_costs_what_its_error_says(error: BaseException, expected: tuple[Any, ...]) -> None:
    _, _, calls = await made_by(*[error] * 5)
    assert facts(calls)[0] == expected


async def test_every_retry_is_a_call_of_its_own() -> None:
    _, _, calls = await made_by(Retryable("again"), Down("away", cost=PRICE))
    assert [call.call for call in calls] == [1, 2, 3]
    assert [call.charged for call in calls] == [Charged.NO, Charged.UNKNOWN, Charged.YES]


async def test_an_answer_that_is_no_picture_is_billed_all_the_same() -> None:
    _, _, calls = await made_by(TORN)
    assert [call.charged for call in calls] == [Charged.YES, Charged.YES]


async def test_a_call_given_up_at_the_deadline_may_have_been_billed() -> None:
    _, job, calls = await made_by(never)
    assert job.state is JobState.TIMED_OUT
    assert facts(calls) == [(30_000, False, Charged.UNKNOWN)]


async def test_a_late_picture_is_settled_once_it_arrives() -> None:
    async def late(request: Any) -> bytes:
        await world.clock.sleep(WINDOW + 5 * SECOND)
        return provider.made(request)

    provider = ScriptedProvider("cloud", late, price=PRICE)
    provider.cost = CallCost(usd_micros=41_500, exact=True)
    world = World(provider)
    await world.slot("cloud", late_rescue=True)
    job = await world.submit()
    working = await world.start_work()
    await world.end(working, within=WINDOW + SECOND)
    assert facts(await world.ledger.of_job(job.id)) == [(30_000, False, Charged.UNKNOWN)]
    await world.clock.advance(10 * SECOND)
    assert facts(await world.ledger.of_job(job.id)) == [(41_500, True, Charged.YES)]


async def test_both_calls_of_a_hedge_are_in_the_ledger() -> None:
    cloud, other = ScriptedProvider("cloud", never, price=PRICE), ScriptedProvider("other", price=PRICE)
    world = World(cloud, other)
    await world.slot("cloud", "other", hedge=True)
    await world.submit()
    job = await world.work()
    calls = {call.provider_id: call.charged for call in await world.ledger.of_job(job.id)}
    assert calls == {"cloud": Charged.UNKNOWN, "other": Charged.YES}


async def test_the_call_of_a_dead_worker_stays_as_it_was_entered() -> None:
    world = World(ScriptedProvider("cloud", never, price=PRICE))
    await world.slot("cloud")
    job = await world.submit()
    await world.start_work()
    assert facts(await world.ledger.of_job(job.id)) == [(30_000, False, Charged.UNKNOWN)]


async def test_a_photo_that_cannot_be_prepared_leaves_no_call() -> None:
    provider = ScriptedProvider("cloud", price=PRICE)
    world = World(provider)
    await world.slot("cloud")
    await world.submit(TORN)
    job = await world.work()
    assert job.state is JobState.FAILED
    assert provider.calls == []
    assert await world.ledger.of_job(job.id) == []


async def test_an_outage_of_the_ledger_holds_no_call_up_and_loses_no_amount() -> None:
    provider = ScriptedProvider("cloud", price=PRICE)
    world = World(provider)
    await world.slot("cloud")
    job = await world.submit()
    world.ledger.faults["*"] = QueueUnavailable("away")
    working = await world.start_work()
    ended: Job = await world.records.get(job.id)
    assert ended.state is JobState.SUCCEEDED
    world.ledger.faults.clear()
    await world.end(working, within=2 * SECOND)
    await world.clock.advance(2 * SECOND)
    assert facts(await world.ledger.of_job(job.id)) == [(30_000, False, Charged.YES)]


async def test_with_a_budget_a_paid_call_waits_for_the_ledger() -> None:
    provider = ScriptedProvider("cloud", price=PRICE)
    world = World(provider)
    await world.slot("cloud")
    await world.set_settings(budget_per_day_micros=1_000_000)
    job = await world.submit()
    world.ledger.faults["reserve"] = QueueUnavailable("away")
    working = await world.start_work()
    await world.clock.advance(5 * SECOND)
    assert provider.calls == []
    world.ledger.faults.clear()
    await world.end(working, within=2 * SECOND)
    assert facts(await world.ledger.of_job(job.id)) == [(30_000, False, Charged.YES)]
