"""The ledger of what calls to image services cost, shared by all workers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ..domain.costs.budgets import Budget, Reservation
from ..domain.costs.ledger import CostCell, CostSum, LedgerCall


class CostLedger(Protocol):
    """Calls, and their sums. Every method may raise QueueUnavailable, and is safe to repeat.

    Calls are kept as long as jobs, then as sums by slot, provider and quarter of an hour for good. They hold nothing of
    a guest, so the erasure of one does not change them.
    """

    async def reserve(self, call: LedgerCall, budgets: Sequence[Budget]) -> Reservation:
        """Enter a call before it begins, unless one of `budgets` has no room for it; they cover its slot.

        What was entered counts as spent. Exact under any number of concurrent calls: by what calls are expected to
        cost, no budget is exceeded. A call that is entered already is granted. One of an attempt that was followed by
        another is not: its worker has lost the job and does not know it yet.
        """
        ...

    async def cancel(self, call_id: UUID) -> None:
        """Remove what `reserve` entered, or may still enter where it has not answered: the call was not made."""
        ...

    async def settle(self, call: LedgerCall) -> None:
        """Enter a call at its end, in place of what `reserve` entered, if it did."""
        ...

    async def of_job(self, job_id: UUID) -> list[LedgerCall]:
        """The calls of a job, oldest first."""
        ...

    async def costs(self, job_ids: Collection[UUID]) -> dict[UUID, CostSum]:
        """What these jobs cost; jobs without a call are left out."""
        ...

    async def cells(
        self,
        bounds: Sequence[datetime],
        *,
        slot_id: str | None = None,
        provider_id: str | None = None,
        since: datetime | None = None,
    ) -> list[CostCell]:
        """Costs of the calls from each of `bounds` (ascending, whole quarter hours) up to and without the next.

        Only of this slot and this provider, where they are given. With `since`, the slot's newest reset mark, only of
        calls from then on, exact to the microsecond. Empty cells are left out.
        """
        ...

    async def fold(self, *, before: datetime, limit: int) -> int:
        """Add up to `limit` calls that began before a moment to the sums, and delete them; returns how many.

        No sum of `cells` changes.
        """
        ...
