"""The CostLedger port in memory, by the rules of the core."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from ....core.domain.costs.budgets import Budget, Reservation, reserve
from ....core.domain.costs.ledger import NO_COST, CostCell, CostSum, LedgerCall, cost_of, sum_of
from ..database import MemoryDatabase


class MemoryCostLedger:
    """Calls by their id. Those that were folded are kept as they are, out of sight of their jobs."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._calls: dict[UUID, LedgerCall] = {}
        self._folded: list[LedgerCall] = []

    async def reserve(self, call: LedgerCall, budgets: Sequence[Budget]) -> Reservation:
        job = self._database.jobs.get(call.job_id)
        if job is not None and job.attempt > call.attempt:
            return Reservation(superseded=True)
        if call.id in self._calls:
            return Reservation()
        reservation = reserve(call.usd_micros, [(budget, self._spent(budget)) for budget in budgets])
        if reservation.granted:
            self._calls[call.id] = call
        return reservation

    async def cancel(self, call_id: UUID) -> None:
        self._calls.pop(call_id, None)

    async def settle(self, call: LedgerCall) -> None:
        self._calls[call.id] = call

    async def of_job(self, job_id: UUID) -> list[LedgerCall]:
        found = [call for call in self._calls.values() if call.job_id == job_id]
        return sorted(found, key=lambda call: (call.at, call.id))

    async def costs(self, job_ids: Collection[UUID]) -> dict[UUID, CostSum]:
        found: dict[UUID, CostSum] = {}
        for call in self._calls.values():
            if call.job_id in job_ids:
                found[call.job_id] = found.get(call.job_id, NO_COST) + cost_of(call)
        return found

    async def cells(
        self,
        bounds: Sequence[datetime],
        *,
        slot_id: str | None = None,
        provider_id: str | None = None,
        since: datetime | None = None,
    ) -> list[CostCell]:
        sums: dict[tuple[int, str, str], CostSum] = {}
        for call in self._all():
            period = bisect_right(bounds, call.at) - 1
            if (
                0 <= period < len(bounds) - 1
                and slot_id in (None, call.slot_id)
                and provider_id in (None, call.provider_id)
                and (since is None or call.at >= since)
            ):
                key = period, call.slot_id, call.provider_id
                sums[key] = sums.get(key, NO_COST) + cost_of(call)
        return [CostCell(*key, cost) for key, cost in sums.items()]

    async def fold(self, *, before: datetime, limit: int) -> int:
        old = sorted((call for call in self._calls.values() if call.at < before), key=lambda call: call.at)[:limit]
        for call in old:
            self._folded.append(self._calls.pop(call.id))
        return len(old)

    def _spent(self, budget: Budget) -> int:
        covered = (
            cost_of(call)
            for call in self._all()
            if budget.covers(call.slot_id) and budget.start <= call.at < budget.end
        )
        return sum_of(covered).usd_micros

    def _all(self) -> Iterable[LedgerCall]:
        return [*self._folded, *self._calls.values()]
