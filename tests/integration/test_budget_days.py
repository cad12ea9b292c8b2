"""What is spent in the days of budgets is the sum of the ledger: after any changes, for any workers, after a crash."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from photochanger.adapters.postgres import Database, EmbeddedServer, PostgresCostLedger, migrate
from photochanger.adapters.postgres.costs import ledger as ledger_module
from photochanger.adapters.postgres.embedded.server import _pid_file
from photochanger.core.domain.costs.budgets import Budget, Reservation
from photochanger.core.domain.costs.call_cost import Charged
from photochanger.core.domain.costs.ledger import LedgerCall

from tests.contract.test_cost_ledger import DAY, START, budget, ledger_call
from tests.support.held_disk import GLOBAL_LOCKS, held_disk
from tests.support.service import eventually, rows

pytestmark = pytest.mark.anyio

SLOTS = ("slot-001", "slot-002", "slot-003")

KEPT = "select slot_id, starts_at, ends_at, usd_micros from photochanger.budget_days"

SUMS = """
select place.slot_id, starts_at, ends_at, sum(usd_micros)::bigint
from photochanger.call_costs
join (select starts_at, ends_at from photochanger.budget_days where slot_id = '') as day
    on at >= starts_at and at < ends_at
cross join lateral (values (''), (call_costs.slot_id)) as place (slot_id)
where charged <> 'no' and usd_micros is not null
group by 1, 2, 3
"""


def assert_kept(url: str) -> None:
    """What is kept of each day is the sum of its calls; what has none, or only free ones, may be missing."""
    kept = {(slot_id, start, end): amount for slot_id, start, end, amount in rows(url, KEPT) if amount}
    counted = {(slot_id, start, end): amount for slot_id, start, end, amount in rows(url, SUMS) if amount}
    assert kept == counted


@pytest.fixture
async def ledgers(postgres_url: str) -> AsyncIterator[list[PostgresCostLedger]]:
    """Those of four processes."""
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(postgres_url)) for _ in range(4)]
        yield [PostgresCostLedger(database) for database in databases]


_amounts = st.none() | st.integers(0, 1_000_000)
_days = st.integers(0, 2)
_steps = st.one_of(
    st.tuples(st.just("reserve"), st.sampled_from(SLOTS), _days, _amounts, st.lists(_days, max_size=2)),
    st.tuples(st.just("settle"), st.integers(0, 30), st.sampled_from(Charged), _amounts),
    st.tuples(st.just("settle another"), st.sampled_from(SLOTS), _days, _amounts),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("fold"), st.integers(1, 3)),
)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rounds=st.lists(st.lists(_steps, min_size=1, max_size=8), min_size=1, max_size=4))
async def test_it_is_the_sum_of_the_ledger_after_any_changes(
    postgres_url: str, ledgers: list[PostgresCostLedger], rounds: list[list[tuple[Any, ...]]]
) -> None:
    calls: list[LedgerCall] = []
    for steps in rounds:
        await asyncio.gather(*(take(ledgers[at % 4], calls, *step) for at, step in enumerate(steps)))
        assert_kept(postgres_url)


async def take(ledger: PostgresCostLedger, calls: list[LedgerCall], kind: str, *given: Any) -> None:
    """One change of the ledger, often of a call of before. Days may overlap, as those of two time zones do."""
    if kind in ("reserve", "settle another"):
        slot_id, day, amount, *budgets = given
        call = ledger_call(slot_id=slot_id, at=START + day * DAY / 2, usd_micros=amount)
        calls.append(call)
        if kind == "settle another":
            await ledger.settle(msgspec.structs.replace(call, charged=Charged.YES))
            return
        asked = [budget(2_000_000, slot, start=START + n * DAY / 2) for n in budgets[0] for slot in (None, slot_id)]
        await ledger.reserve(call, asked)
    elif kind == "fold":
        await ledger.fold(before=START + DAY, limit=given[0])
    elif calls:
        call = calls[given[0] % len(calls)]
        if kind == "cancel":
            await ledger.cancel(call.id)
        else:
            await ledger.settle(msgspec.structs.replace(call, charged=given[1], usd_micros=given[2]))


async def test_workers_of_several_processes_spend_exactly_the_budget(
    postgres_url: str, ledgers: list[PostgresCostLedger]
) -> None:
    of_slot, of_all = budget(300_000, SLOTS[0]), budget(1_000_000)

    async def work(ledger: PostgresCostLedger, slot_id: str) -> int:
        call = ledger_call(slot_id=slot_id, usd_micros=10_000)
        answer = await ledger.reserve(call, [of_slot, of_all] if slot_id == SLOTS[0] else [of_all])
        if answer.granted:
            await ledger.settle(msgspec.structs.replace(call, charged=Charged.YES))
        return call.usd_micros if answer.granted and call.usd_micros else 0

    spent = await asyncio.gather(*(work(ledgers[n % 4], SLOTS[n % 3]) for n in range(240)))
    assert sum(spent) == 1_000_000
    assert sum(spent[::3]) == 300_000
    assert_kept(postgres_url)


async def test_a_crash_of_the_server_loses_no_amount(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    server = EmbeddedServer.start(folder)
    try:
        server.ensure_database("crash")
        url = server.url("crash")
        migrate(url)
        async with Database(url) as database:
            ledger = PostgresCostLedger(database)
            settled = ledger_call(usd_micros=40_000, charged=Charged.YES)
            assert (await ledger.reserve(settled, [budget(100_000)])).granted
            await ledger.settle(settled)
        os.kill(int(_pid_file(folder)[0]), signal.SIGKILL)
        with EmbeddedServer.start(folder):
            assert rows(url, KEPT) == []
            async with Database(url) as database:
                ledger = PostgresCostLedger(database)
                assert (await ledger.reserve(ledger_call(usd_micros=60_001), [budget(100_000)])).refused_by
                assert (await ledger.reserve(ledger_call(usd_micros=60_000), [budget(100_000)])).granted
            assert_kept(url)
    finally:
        server.close()


async def test_settling_waits_for_the_disk_and_no_call_waits_for_it(tmp_path: Path) -> None:
    with EmbeddedServer.start(tmp_path / "postgres") as server, held_disk(server, "settling") as disk:
        call = ledger_call(usd_micros=10_000)
        async with (
            await psycopg.AsyncConnection.connect(disk.url, autocommit=True) as settling,
            await psycopg.AsyncConnection.connect(disk.url, autocommit=True) as entering,
        ):
            assert await entered(entering, call, [budget(100_000)]) == Reservation()
            ended = msgspec.structs.replace(call, usd_micros=90_000, charged=Charged.YES)
            settled = asyncio.create_task(ledger_module._settle_batch(settling, [ended]))
            await asyncio.to_thread(eventually, lambda: len(disk.waiting()) == 1)
            assert disk.read(GLOBAL_LOCKS) == []
            one = budget(100_000)
            assert (await entered(entering, ledger_call(usd_micros=10_001), [one])).refused_by == one
            assert (await entered(entering, ledger_call(usd_micros=10_000), [one])).granted
            assert not settled.done()
            disk.release()
            await settled


async def entered(connection: psycopg.AsyncConnection[Any], call: LedgerCall, budgets: Sequence[Budget]) -> Reservation:
    """Ask for a call as a process does, without a wait for the disk."""
    async with connection.pipeline(), connection.transaction():
        await connection.execute("set local synchronous_commit to off")
        entry = ledger_module._Entry(call, tuple(budgets))
        (answer,) = await ledger_module._enter_batch(connection, [entry])
    assert isinstance(answer, Reservation)
    return answer


def test_days_that_have_ended_are_removed_by_the_first_call_of_another_day(postgres_url: str) -> None:
    today = datetime.now(UTC) - DAY / 2  # a day as some time zone has it, in whose middle this runs
    before = today - 5 * DAY

    async def reserve(*days: datetime) -> bool:
        """Whether a call of the last of these days is granted; the budget of each has room for one."""
        async with Database(postgres_url) as database:
            call = ledger_call(at=days[-1])
            budgets = [budget(30_000, start=day) for day in days]
            return (await PostgresCostLedger(database).reserve(call, budgets)).granted

    assert asyncio.run(reserve(before))
    assert not asyncio.run(reserve(before, before - DAY)), "a day that is asked for is kept"
    assert asyncio.run(reserve(today))
    assert {start for _, start, *_ in rows(postgres_url, KEPT)} == {today}
    assert asyncio.run(reserve(today + DAY))
    assert {start for _, start, *_ in rows(postgres_url, KEPT)} == {today, today + DAY}
