"""Budgets: who is refused, which entries are called, and when the day begins again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from photochanger.core.domain.costs.budgets import AtLimit, SlotBudget
from photochanger.core.domain.costs.call_cost import FREE, CallCost, Charged
from photochanger.core.domain.errors import BudgetExhausted, QueueUnavailable
from photochanger.core.domain.job import Job, JobState, LogEvent
from photochanger.core.domain.slots.slot import FailureAnswer
from photochanger.core.services.costs.budgets import Budgets

from tests.support.wiring import get_now
from tests.support.world import SECOND, SLOT, ScriptedProvider, World

pytestmark = pytest.mark.anyio

PRICE = CallCost(usd_micros=30_000, charged=Charged.UNKNOWN)
CENT = 10_000
"""A hundredth of the currency, in millionths."""


def paid(id: str = "cloud", *, price: CallCost | None = PRICE) -> ScriptedProvider:
    return ScriptedProvider(id, price=price)


async def set_slot_budget(world: World, per_day_micros: int, slot_id: str = SLOT) -> None:
    slot = await world.slots.get(slot_id)
    changed = msgspec.structs.replace(slot, budget=SlotBudget(per_day_micros))
    await world.slots.save(changed, expected_version=slot.version)
    await world.clock.advance(2 * SECOND)  # budgets are at most a second old


async def photo(world: World, *, slot_id: str = SLOT) -> Job:
    """A photo worked on to its end."""
    await world.submit(slot_id=slot_id)
    return await world.work()


async def test_no_photo_is_taken_once_the_budget_of_the_slot_is_used_up() -> None:
    world = World(cloud := paid())
    slot = await world.slot("cloud")
    await set_slot_budget(world, 7 * CENT)
    for _ in range(2):
        assert (await photo(world)).state is JobState.SUCCEEDED
    with pytest.raises(BudgetExhausted) as refused:
        await world.jobs.require_capacity(slot)
    assert len(cloud.calls) == 2
    assert refused.value.retry_after == round((datetime(2026, 1, 2, tzinfo=UTC) - world.clock.now()).total_seconds())
    await world.clock.advance(timedelta(days=1))
    assert (await photo(world)).state is JobState.SUCCEEDED


async def test_a_slot_without_a_budget_goes_on_while_another_is_refused() -> None:
    world = World(paid())
    await world.slot("cloud")
    await world.slot("cloud", id="slot-002")
    await set_slot_budget(world, 0)
    with pytest.raises(BudgetExhausted, match="The budget of slot-001 is used up"):
        await world.submit()
    assert (await photo(world, slot_id="slot-002")).state is JobState.SUCCEEDED


async def test_the_budget_of_the_day_counts_every_slot() -> None:
    world = World(paid())
    await world.slot("cloud")
    await world.slot("cloud", id="slot-002")
    await world.set_settings(budget_per_day_micros=6 * CENT)
    await photo(world)
    await photo(world, slot_id="slot-002")
    await world.clock.advance(2 * SECOND)
    with pytest.raises(BudgetExhausted, match="The budget of all slots is used up"):
        await world.submit()


async def test_budgets_are_given_in_the_currency_of_the_settings() -> None:
    world = World(paid())
    await world.slot("cloud")
    await world.set_settings(currency_code="RUB", usd_rate_micros=80_000_000, budget_per_day_micros=480 * CENT)
    await photo(world)
    await world.clock.advance(2 * SECOND)
    await photo(world)
    await world.clock.advance(2 * SECOND)
    with pytest.raises(BudgetExhausted):
        await world.submit()


async def test_the_day_begins_at_midnight_of_the_settings_time_zone() -> None:
    world = World(paid())
    slot = await world.slot("cloud")
    await world.set_settings(budget_per_day_micros=3 * CENT, time_zone="Asia/Tokyo")
    await photo(world)
    await world.clock.advance(2 * SECOND)
    with pytest.raises(BudgetExhausted) as refused:
        await world.jobs.require_capacity(slot)
    midnight = datetime(2026, 1, 1, 15, tzinfo=UTC)
    assert refused.value.retry_after == round((midnight - world.clock.now()).total_seconds())
    await world.clock.advance(midnight - world.clock.now())
    await world.jobs.require_capacity(slot)


async def test_a_slot_whose_entries_are_free_is_never_refused() -> None:
    world = World(paid(price=FREE))
    await world.slot("cloud", "local")
    await set_slot_budget(world, 0)
    assert (await photo(world)).state is JobState.SUCCEEDED


async def test_a_slot_whose_price_is_unknown_is_refused_once_nothing_is_left() -> None:
    world = World(paid(price=None))
    await world.slot("cloud")
    await set_slot_budget(world, 1)
    assert (await photo(world)).state is JobState.SUCCEEDED
    await set_slot_budget(world, 0)
    with pytest.raises(BudgetExhausted):
        await world.submit()


async def test_with_free_only_the_free_entries_make_the_picture() -> None:
    world = World(cloud := paid(), home := paid("home", price=FREE))
    await world.slot("cloud", "home")
    await world.set_settings(budget_per_day_micros=3 * CENT, budget_at_limit=AtLimit.FREE_ONLY)
    jobs = []
    for _ in range(3):
        jobs.append(await photo(world))
        await world.clock.advance(2 * SECOND)
    assert [job.provider_id for job in jobs] == ["cloud", "home", "home"]
    assert (len(cloud.calls), len(home.calls)) == (1, 2)
    blocked = [entry for entry in await world.log(jobs[1], LogEvent.ATTEMPT) if entry["classification"] == "blocked"]
    assert [entry["reason"] for entry in blocked] == ["The budget of all slots is used up for today."]
    assert [entry["cause"] for entry in blocked] == ["budget_used_up"]


@pytest.mark.parametrize("answer", [FailureAnswer.ERROR, FailureAnswer.ORIGINAL])
async def test_without_a_free_entry_the_failure_answer_says_that_the_budget_is_used_up(answer: FailureAnswer) -> None:
    world = World(cloud := paid(), other := paid("other"))
    await world.slot("cloud", "other", failure_answer=answer)
    await world.set_settings(budget_per_day_micros=CENT, budget_at_limit=AtLimit.FREE_ONLY)
    job = await photo(world)
    assert (job.state, job.error_code) == (JobState.FAILED, "budget_exhausted")
    assert (job.result is not None) == (answer is FailureAnswer.ORIGINAL)
    assert cloud.calls == other.calls == []
    assert await world.ledger.of_job(job.id) == []


async def test_a_cheaper_entry_that_still_fits_is_called() -> None:
    world = World(cloud := paid(), cheap := paid("cheap", price=CallCost(usd_micros=5_000)))
    await world.slot("cloud", "cheap")
    await world.set_settings(budget_per_day_micros=CENT)
    job = await photo(world)
    assert job.provider_id == "cheap"
    assert (len(cloud.calls), len(cheap.calls)) == (0, 1)


async def test_photos_that_were_admitted_meanwhile_are_held_to_the_budget_exactly() -> None:
    world = World(cloud := paid())
    await world.slot("cloud")
    await set_slot_budget(world, 3 * CENT)
    for _ in range(4):
        await world.submit()
    ended = [await world.work(within=SECOND) for _ in range(4)]
    assert [job.error_code for job in ended] == [None, *["budget_exhausted"] * 3]
    assert len(cloud.calls) == 1


async def test_refused_calls_free_the_permit_of_their_provider() -> None:
    cloud = ScriptedProvider("cloud", price=PRICE, max_concurrent=1)
    world = World(cloud)
    await world.slot("cloud")
    await world.slot("cloud", id="slot-002")
    await set_slot_budget(world, 3 * CENT)
    await world.submit()
    await world.submit()
    first, second = await world.claims(n=2)
    await world.run(world.processing.run(first), within=SECOND)
    await world.run(world.processing.run(second), within=SECOND)
    assert (await world.records.get(second.job.id)).error_code == "budget_exhausted"
    assert (await photo(world, slot_id="slot-002")).state is JobState.SUCCEEDED


async def test_calls_that_are_not_billed_leave_the_budget_as_it_was() -> None:
    cloud = ScriptedProvider("cloud", price=PRICE)
    cloud.cost = CallCost(usd_micros=30_000, charged=Charged.NO)
    world = World(cloud)
    await world.slot("cloud")
    await set_slot_budget(world, 3 * CENT)
    for _ in range(3):
        assert (await photo(world)).state is JobState.SUCCEEDED


async def test_photos_are_admitted_while_the_budgets_cannot_be_read() -> None:
    world = World(paid())
    slot = await world.slot("cloud")
    await set_slot_budget(world, 0)
    world.ledger.faults["cells"] = QueueUnavailable("away")
    await world.jobs.require_capacity(slot)


async def test_a_resend_of_a_photo_is_not_refused_for_a_budget() -> None:
    world = World(paid())
    slot = await world.slot("cloud")
    await world.submit(idempotency_key="key-1")
    await set_slot_budget(world, 0)
    await world.jobs.require_capacity(slot, idempotency_key="key-1")
    with pytest.raises(BudgetExhausted):
        await world.jobs.require_capacity(slot, idempotency_key="key-2")


async def test_eighty_percent_and_the_end_of_a_budget_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World(paid())
    await world.slot("cloud")
    await world.set_settings(budget_at_limit=AtLimit.FREE_ONLY)
    await set_slot_budget(world, 12 * CENT)
    for _ in range(6):
        await photo(world)
    texts = [record.getMessage() for record in caplog.records if record.name == "photochanger.costs"]
    assert texts == [
        "The budget of slot-001 is spent to 80 %",
        "The budget of slot-001 is used up until 2026-01-02T00:00:00+00:00",
    ]


async def test_today_names_costs_and_budgets() -> None:
    world = World(paid())
    await world.slot("cloud")
    await set_slot_budget(world, 12 * CENT)
    await world.set_settings(budget_per_day_micros=100 * CENT)
    await photo(world)
    today = await get_now(world.container, Budgets).today()
    assert {slot_id: cost.usd_micros for slot_id, cost in today.costs.items()} == {SLOT: 30_000}
    assert [(one.budget.slot_id, one.spent, one.percent) for one in today.budgets] == [
        (None, 30_000, 3),
        (SLOT, 30_000, 25),
    ]
