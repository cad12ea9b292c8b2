"""The CostLedger port on PostgreSQL.

Neither entering a call nor settling it waits for the disk while it holds a lock. Who settles a call waits afterwards,
and restores an entry that a crash of the database server lost. What is spent in a day is read from `budget_days`, where
the database counts each change of the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from ....core.domain.costs.budgets import Budget, Reservation, reserve
from ....core.domain.costs.call_cost import Charged
from ....core.domain.costs.ledger import CostCell, CostSum, LedgerCall
from ....core.domain.stored_values import from_row
from ..database import Database
from . import sql

_GRANTED = Reservation()
_SUPERSEDED = Reservation(superseded=True)
_ALL_SLOTS = ""
"""In the place of a slot: the sum of all."""

_Window = tuple[datetime, datetime]


class _Entry(NamedTuple):
    call: LedgerCall
    budgets: tuple[Budget, ...]


class PostgresCostLedger:
    """Rows of `call_costs`, and of `cost_quarters` for those that were folded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entering = database.batcher(_enter_batch, durable=False)
        self._settling = database.batcher(_settle_batch)

    async def reserve(self, call: LedgerCall, budgets: Sequence[Budget]) -> Reservation:
        reservation = await self._entering.call(_Entry(call, tuple(budgets)))
        assert isinstance(reservation, Reservation)
        return reservation

    async def cancel(self, call_id: UUID) -> None:
        await self._entering.call(call_id)

    async def settle(self, call: LedgerCall) -> None:
        await self._settling.call(call)

    async def of_job(self, job_id: UUID) -> list[LedgerCall]:
        async with self._database.begin() as connection:
            rows = (await connection.exec_driver_sql(sql.CALLS, {"job_id": job_id})).mappings().all()
        return [LedgerCall(**dict(row) | {"charged": from_row(Charged, row["charged"])}) for row in rows]

    async def costs(self, job_ids: Collection[UUID]) -> dict[UUID, CostSum]:
        if not job_ids:
            return {}
        async with self._database.begin() as connection:
            rows: Sequence[Any] = (await connection.exec_driver_sql(sql.COSTS, {"job_ids": [*job_ids]})).all()
        return {job_id: _sum(figures) for job_id, *figures in rows}

    async def cells(
        self,
        bounds: Sequence[datetime],
        *,
        slot_id: str | None = None,
        provider_id: str | None = None,
        since: datetime | None = None,
    ) -> list[CostCell]:
        first = bounds[0] if since is None else max(bounds[0], since)
        parameters: dict[str, Any] = {
            "bounds": [*bounds],
            "first": first,
            "last": bounds[-1],
            "slot_id": slot_id,
            "provider_id": provider_id,
        }
        async with self._database.begin() as connection:
            rows: Sequence[Any] = (await connection.exec_driver_sql(sql.CELLS, parameters)).all()
        return [CostCell(period, slot, provider, _sum(figures)) for period, slot, provider, *figures in rows]

    async def fold(self, *, before: datetime, limit: int) -> int:
        async with self._database.begin() as connection:
            result = await connection.exec_driver_sql(sql.FOLD, {"before": before, "limit": limit})
            return int(result.scalar_one())


def _sum(figures: Sequence[int]) -> CostSum:
    return CostSum(**dict(zip(CostSum.__struct_fields__, figures, strict=True)))


async def _settle_batch(connection: psycopg.AsyncConnection[Any], batch: Sequence[LedgerCall]) -> list[None]:
    newest = {call.id: call for call in batch}
    calls = msgspec.json.encode([*newest.values()]).decode()
    async with connection.pipeline():
        async with connection.transaction():
            await connection.execute("set local synchronous_commit to off")
            await connection.execute(sql.SETTLE, {"calls": calls})
        await connection.execute(sql.WAIT_FOR_DISK)
    return [None] * len(batch)


async def _enter_batch(
    connection: psycopg.AsyncConnection[Any], batch: Sequence[_Entry | UUID]
) -> list[Reservation | None]:
    entries = [item for item in batch if isinstance(item, _Entry)]
    windows = {_window(budget) for entry in entries for budget in entry.budgets}
    entered: set[UUID] = set()
    spent: dict[_Window, dict[str, int]] = {window: {} for window in windows}
    if windows:
        days = {"starts": [start for start, _ in windows], "ends": [end for _, end in windows]}
        slot_ids = [_ALL_SLOTS, *{entry.call.slot_id for entry in entries}]
        async with connection.pipeline() as pipeline:
            await connection.execute(sql.LOCK)
            known = await connection.execute(sql.ENTERED, {"ids": [entry.call.id for entry in entries]})
            await connection.execute(sql.ADD_UP, days)
            sums = await connection.execute(sql.SPENT, days | {"slot_ids": slot_ids})
            await pipeline.sync()
            # Where the batch is repeated, its calls may be entered already, and are in the sums.
            entered = {id for (id,) in await known.fetchall()}
            for start, end, slot_id, usd_micros in await sums.fetchall():
                if (start, end) in spent:
                    spent[start, end][slot_id] = usd_micros
    state = _Entering(entered, spent)
    answers = [state.take(item) for item in batch]
    calls = msgspec.json.encode([*state.granted.values()]).decode()
    async with connection.pipeline():  # at whose end the server's limit for a transaction without a statement begins
        if state.cancelled:  # older calls than those that are entered
            await connection.execute(sql.CANCEL, {"ids": state.cancelled})
        entering = await connection.execute(sql.ENTER, {"calls": calls})
    superseded = {id for (id,) in await entering.fetchall()}
    return [
        _SUPERSEDED if isinstance(item, _Entry) and item.call.id in superseded else answer
        for item, answer in zip(batch, answers, strict=True)
    ]


class _Entering:
    """What is spent in the windows of a batch, as read under the lock, and what the batch adds to it."""

    def __init__(self, entered: set[UUID], spent: Mapping[_Window, dict[str, int]]) -> None:
        self._entered = entered
        self._spent = spent
        self.granted: dict[UUID, LedgerCall] = {}
        self.cancelled: list[UUID] = []

    def take(self, item: _Entry | UUID) -> Reservation | None:
        """Apply one item; returns the answer to a call that asks to be entered."""
        if isinstance(item, UUID):
            self._cancel(item)
            return None
        call, budgets = item
        if call.id in self._entered or call.id in self.granted:
            self.granted[call.id] = call
            return _GRANTED
        answer = reserve(call.usd_micros, [(budget, self._spent_of(budget)) for budget in budgets])
        if answer.granted:
            self._add(call, 1)
            self.granted[call.id] = call
        return answer

    def _cancel(self, call_id: UUID) -> None:
        if (call := self.granted.pop(call_id, None)) is not None:
            self._add(call, -1)
        self.cancelled.append(call_id)

    def _add(self, call: LedgerCall, sign: int) -> None:
        """Count a call in each window that it belongs to."""
        for (start, end), sums in self._spent.items():
            if start <= call.at < end:
                for place in (_ALL_SLOTS, call.slot_id):
                    sums[place] = sums.get(place, 0) + sign * call.counted_micros

    def _spent_of(self, budget: Budget) -> int:
        return self._spent[_window(budget)].get(_ALL_SLOTS if budget.slot_id is None else budget.slot_id, 0)


def _window(budget: Budget) -> _Window:
    return budget.start, budget.end
