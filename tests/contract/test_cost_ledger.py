"""The CostLedger port: calls are entered once, budgets are exact, and sums are those of the calls."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from types import SimpleNamespace
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from photochanger.core.domain.costs.budgets import Budget
from photochanger.core.domain.costs.call_cost import Charged
from photochanger.core.domain.costs.ledger import NO_COST, CostCell, CostSum, LedgerCall, cost_of, sum_of
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.domain.stats.time_ranges import Period, time_range

from tests.support.queue_steps import NO_LEASE, live_job, take_one

pytestmark = pytest.mark.anyio

START = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_DAYS = count(1)


def ledger_call(**overrides: Any) -> LedgerCall:
    """A call that is expected to cost three cents."""
    fields: dict[str, Any] = {
        "id": uuid4(),
        "job_id": uuid4(),
        "slot_id": "slot-001",
        "provider_id": "cloud",
        "operation_id": "edit",
        "attempt": 1,
        "entry": 0,
        "call": 1,
        "at": START,
        "usd_micros": 30_000,
    }
    return LedgerCall(**fields | overrides)


def budget(usd_micros: int, slot_id: str | None = None, *, start: datetime = START) -> Budget:
    return Budget(slot_id=slot_id, usd_micros=usd_micros, start=start, end=start + DAY)


async def total(backend: SimpleNamespace) -> CostSum:
    return sum_of([cell.cost for cell in await backend.ledger.cells([START, START + DAY])])


async def test_an_entered_call_is_charged_unknown_until_it_is_settled(backend: SimpleNamespace) -> None:
    call = ledger_call()
    assert (await backend.ledger.reserve(call, [])).granted
    assert await backend.ledger.of_job(call.job_id) == [call]
    ended = msgspec.structs.replace(call, usd_micros=41_500, exact=True, charged=Charged.YES, model="m-2")
    await backend.ledger.settle(ended)
    assert await backend.ledger.of_job(call.job_id) == [ended]
    assert await total(backend) == CostSum(usd_micros=41_500, calls=1)


@pytest.mark.parametrize("budgets", [[], [budget(90_000)]], ids=["free", "within a budget"])
async def test_the_call_of_an_attempt_that_another_one_followed_is_not_entered(
    backend: SimpleNamespace, budgets: list[Budget]
) -> None:
    """Its worker stood still, and another one has the job by now."""
    job = await live_job(backend)
    for _ in range(2):
        await take_one(backend, lease=NO_LEASE)
    late, newest, other = (ledger_call(job_id=job.id, attempt=1), ledger_call(job_id=job.id, attempt=2), ledger_call())
    answers = await asyncio.gather(*(backend.ledger.reserve(call, budgets) for call in (late, newest, other)))
    assert [(answer.granted, answer.superseded) for answer in answers] == [(False, True), (True, False), (True, False)]
    assert await backend.ledger.of_job(job.id) == [newest]
    await backend.ledger.settle(late)
    assert await backend.ledger.of_job(job.id) == sorted([late, newest], key=lambda call: call.id), "it was made before"


async def test_writes_that_are_repeated_enter_a_call_once(backend: SimpleNamespace) -> None:
    call = ledger_call()
    ended = msgspec.structs.replace(call, charged=Charged.YES, exact=True)
    for _ in range(2):
        assert (await backend.ledger.reserve(call, [budget(30_000)])).granted
    for _ in range(2):
        await backend.ledger.settle(ended)
    assert (await backend.ledger.reserve(call, [budget(30_000)])).granted
    assert await backend.ledger.of_job(call.job_id) == [ended]


async def test_a_call_that_was_never_entered_is_entered_at_its_end(backend: SimpleNamespace) -> None:
    ended = ledger_call(charged=Charged.YES)
    await backend.ledger.settle(ended)
    assert await backend.ledger.of_job(ended.job_id) == [ended]


async def test_a_cancelled_call_leaves_nothing(backend: SimpleNamespace) -> None:
    call = ledger_call()
    await backend.ledger.reserve(call, [budget(30_000)])
    await backend.ledger.cancel(call.id)
    await backend.ledger.cancel(uuid4())
    assert await backend.ledger.of_job(call.job_id) == []
    assert (await backend.ledger.reserve(ledger_call(), [budget(30_000)])).granted


async def test_calls_of_a_job_are_oldest_first(backend: SimpleNamespace) -> None:
    job_id = uuid4()
    calls = [ledger_call(job_id=job_id, at=START + timedelta(seconds=n), call=n) for n in (3, 1, 2)]
    for call in calls:
        await backend.ledger.settle(call)
    assert [call.call for call in await backend.ledger.of_job(job_id)] == [1, 2, 3]


async def test_costs_are_by_job(backend: SimpleNamespace) -> None:
    first, second = uuid4(), uuid4()
    await backend.ledger.settle(ledger_call(job_id=first, usd_micros=1, charged=Charged.YES, exact=True))
    await backend.ledger.settle(ledger_call(job_id=first, usd_micros=2))
    await backend.ledger.settle(ledger_call(job_id=second, usd_micros=None, charged=Charged.YES))
    assert await backend.ledger.costs([first, second, uuid4()]) == {
        first: CostSum(usd_micros=3, estimated_usd_micros=2, unknown_usd_micros=2, calls=2),
        second: CostSum(calls=1, unpriced_calls=1),
    }
    assert await backend.ledger.costs([]) == {}


async def test_concurrent_calls_never_exceed_a_budget(backend: SimpleNamespace) -> None:
    of_slot, of_all = budget(100_000, "slot-001"), budget(200_000)
    calls = [ledger_call(slot_id=slot_id) for slot_id in ("slot-001", "slot-002") for _ in range(10)]
    answers = await asyncio.gather(
        *(backend.ledger.reserve(call, [of_slot, of_all] if call.slot_id == "slot-001" else [of_all]) for call in calls)
    )
    granted = [call for call, answer in zip(calls, answers, strict=True) if answer.granted]
    by_slot = [sum(call.slot_id == slot_id for call in granted) for slot_id in ("slot-001", "slot-002")]
    assert len(granted) == 6, "200,000 hold six calls of 30,000"
    assert by_slot[0] <= 3
    assert (await total(backend)).usd_micros == 180_000
    assert {answer.refused_by for answer in answers if not answer.granted} <= {of_slot, of_all}


async def test_what_a_call_really_cost_counts_in_its_budget(backend: SimpleNamespace) -> None:
    first = ledger_call()
    one = budget(60_000)
    await backend.ledger.reserve(first, [one])
    await backend.ledger.settle(msgspec.structs.replace(first, usd_micros=45_000, charged=Charged.YES))
    assert (await backend.ledger.reserve(ledger_call(), [one])).refused_by == one
    await backend.ledger.settle(msgspec.structs.replace(first, charged=Charged.NO))
    assert (await backend.ledger.reserve(ledger_call(), [one])).granted


async def test_a_call_without_a_price_goes_on_until_its_budget_is_used_up(backend: SimpleNamespace) -> None:
    one = budget(30_000)
    assert (await backend.ledger.reserve(ledger_call(usd_micros=None), [one])).granted
    assert (await backend.ledger.reserve(ledger_call(), [one])).granted
    assert (await backend.ledger.reserve(ledger_call(usd_micros=None), [one])).refused_by == one


async def test_a_budget_counts_its_own_day_and_slot(backend: SimpleNamespace) -> None:
    one = budget(30_000, "slot-001")
    await backend.ledger.settle(ledger_call(at=START - timedelta(microseconds=1)))
    await backend.ledger.settle(ledger_call(at=START + DAY))
    await backend.ledger.settle(ledger_call(slot_id="slot-002"))
    assert (await backend.ledger.reserve(ledger_call(at=START + DAY / 2), [one])).granted
    assert (await backend.ledger.reserve(ledger_call(at=START + DAY / 2), [one])).refused_by == one


async def test_one_call_reaches_eighty_percent_of_a_budget(backend: SimpleNamespace) -> None:
    one = budget(120_000)
    answers = [await backend.ledger.reserve(ledger_call(), [one]) for _ in range(4)]
    assert [answer.reached for answer in answers] == [(), (), (), (one,)]
    two = budget(1_000_000, start=START + DAY)
    big = ledger_call(usd_micros=800_000, at=START + DAY)
    assert (await backend.ledger.reserve(big, [two])).reached == (two,)
    assert (await backend.ledger.reserve(ledger_call(at=START + DAY), [two])).reached == ()


async def test_folding_keeps_every_sum_and_forgets_the_calls(backend: SimpleNamespace) -> None:
    calls = [ledger_call(at=START + n * timedelta(minutes=4), usd_micros=n, exact=n % 2 == 0) for n in range(9)]
    for call in calls:
        await backend.ledger.settle(call)
    bounds = [START + n * timedelta(minutes=15) for n in range(4)]
    before = cells_of(await backend.ledger.cells(bounds))
    assert await backend.ledger.fold(before=START + timedelta(hours=1), limit=4) == 4
    assert await backend.ledger.fold(before=START + timedelta(hours=1), limit=4) == 4
    assert cells_of(await backend.ledger.cells(bounds)) == before
    assert await backend.ledger.of_job(calls[0].job_id) == []
    assert await backend.ledger.of_job(calls[8].job_id) == [calls[8]]
    assert await backend.ledger.fold(before=START + timedelta(hours=1), limit=4) == 1
    assert cells_of(await backend.ledger.cells(bounds)) == before


_SLOTS = ("slot-001", "slot-002")
_moments = st.timedeltas(timedelta(0), 3 * DAY - timedelta(microseconds=1))
_calls = st.fixed_dictionaries(
    {
        "slot_id": st.sampled_from(_SLOTS),
        "provider_id": st.sampled_from(["cloud", "other"]),
        "at": _moments,
        "usd_micros": st.none() | st.integers(0, 10_000_000),
        "exact": st.booleans(),
        "charged": st.sampled_from(Charged),
    }
)


@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    given_calls=st.lists(_calls, max_size=20),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]),
    period=st.sampled_from(Period),
    reset_at=st.none() | _moments,
    folded=st.lists(st.tuples(_moments, st.integers(1, 8)), max_size=3),
)
async def test_cost_columns_equal_the_sum_of_the_ledger(
    backend: SimpleNamespace,
    given_calls: list[dict[str, Any]],
    zone: str,
    period: Period,
    reset_at: timedelta | None,
    folded: list[tuple[timedelta, int]],
) -> None:
    await backend.slots.add_missing(shipped_slots())
    # Around the days on which the clocks of Berlin and St John's change, years apart for each example.
    start = START.replace(year=2001 + next(_DAYS) % 150, month=3, day=28)
    mark = None if reset_at is None else start + reset_at
    await backend.slots.reset_stats("slot-001", at=mark or start - 100 * DAY)
    calls = [ledger_call(**fields | {"at": start + fields["at"]}) for fields in given_calls]
    for call in calls:
        await backend.ledger.settle(call)
    asked = time_range(
        start, start + 3 * DAY, period=period, zone=ZoneInfo(zone), now=start, longest=4 * DAY, usual=DAY
    )
    for _ in (0, 1):
        everything = await backend.ledger.cells(asked.bounds)
        assert cells_of(everything) == counted(calls, asked.bounds)
        of_cloud = await backend.ledger.cells(asked.bounds, provider_id="cloud")
        assert cells_of(of_cloud) == counted([one for one in calls if one.provider_id == "cloud"], asked.bounds)
        since_mark = await backend.ledger.cells(asked.bounds, slot_id="slot-001", since=mark)
        late = [call for call in calls if call.slot_id == "slot-001" and (mark is None or call.at >= mark)]
        assert cells_of(since_mark) == counted(late, asked.bounds)
        for before, limit in folded:
            await backend.ledger.fold(before=start + before, limit=limit)


def cells_of(cells: list[CostCell]) -> dict[tuple[int, str, str], CostSum]:
    found = {(cell.period, cell.slot_id, cell.provider_id): cell.cost for cell in cells}
    assert len(found) == len(cells)
    return found


def counted(calls: list[LedgerCall], bounds: tuple[datetime, ...]) -> dict[tuple[int, str, str], CostSum]:
    sums: dict[tuple[int, str, str], CostSum] = {}
    for call in calls:
        for number, (start, end) in enumerate(pairwise(bounds)):
            if start <= call.at < end:
                key = number, call.slot_id, call.provider_id
                sums[key] = sums.get(key, NO_COST) + cost_of(call)
    return sums
