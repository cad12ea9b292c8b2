"""The ledger as the calls of one job use it: a call is entered before it begins and settled at its end.

An outage of the database costs no amount: a call that was entered stays so, and its end is written once the database
is back. Where a budget applies, no call that may cost something begins while the ledger does not answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import msgspec

from ...domain.costs.budgets import WARNING_PERCENT, Budget, BudgetStatus, Reservation
from ...domain.costs.ledger import LedgerCall
from ...domain.errors import ClaimLost, QueueUnavailable
from ...ports.clock import Clock
from ...ports.cost_ledger import CostLedger
from ...ports.telemetry import Telemetry
from ..support.concurrency import BackgroundTasks, race
from ..support.null_telemetry import NULL_TELEMETRY
from .budgets import Budgets

_log = logging.getLogger("photochanger.costs")

_TIMEOUT = timedelta(seconds=2)
"""How long a job waits for a database that hangs."""

_RETRY_PAUSE = timedelta(seconds=1)
_RETRIED_FOR = timedelta(minutes=10)
"""How long the end of a call is tried to be written; then what was entered before it stays."""

UNKNOWN_YET = timedelta(seconds=1)
"""The pause before asking again where the ledger does not answer and a budget applies."""


class CallAdmission(msgspec.Struct, frozen=True):
    """Whether a call may begin: not where a budget refuses it, or where it must `wait` for the ledger."""

    refused_by: Budget | None = None
    wait: timedelta | None = None

    @property
    def granted(self) -> bool:
        return self.refused_by is None and self.wait is None


_GRANTED = CallAdmission()
_WAIT = CallAdmission(wait=UNKNOWN_YET)


class CallCosts:
    """Enters and settles calls; no method raises QueueUnavailable."""

    def __init__(
        self, ledger: CostLedger, budgets: Budgets, clock: Clock, *, telemetry: Telemetry = NULL_TELEMETRY
    ) -> None:
        self._ledger = ledger
        self._budgets = budgets
        self._clock = clock
        self._telemetry = telemetry
        self._background = BackgroundTasks()
        self._of_job: defaultdict[UUID, set[asyncio.Task[None]]] = defaultdict(set)
        self._closing = asyncio.Event()
        self._refusing: set[Budget] = set()

    async def refused(self, call: LedgerCall) -> Budget | None:
        """Return a budget that has no room for the call by what is known; None where there may be room."""
        try:
            statuses = await self._budgets.of_slot(call.slot_id)
        except QueueUnavailable:
            return None
        found = (one.budget for one in statuses if not one.budget.allows(call.usd_micros, spent=one.spent))
        if (budget := next(found, None)) is not None:
            self._say_refused(budget)
        return budget

    async def enter(self, call: LedgerCall) -> CallAdmission:
        """Enter a call that may cost something, and say whether it may begin. ClaimLost."""
        statuses: tuple[BudgetStatus, ...] | None = None
        try:
            async with self._clock.timeout_at(self._clock.now() + _TIMEOUT):
                statuses = await self._budgets.of_slot(call.slot_id)
                reservation = await self._ledger.reserve(call, [status.budget for status in statuses])
        except (QueueUnavailable, TimeoutError) as error:
            reason = error.detail if isinstance(error, QueueUnavailable) else "no answer in time"
            if statuses == ():
                _log.warning("call of job %s begins before it is in the ledger: %s", call.job_id, reason)
                return _GRANTED
            _log.warning("call of job %s waits for the ledger: %s", call.job_id, reason)
            self.cancel(call)
            return _WAIT
        if reservation.superseded:
            raise ClaimLost("Another worker has the job; its call is not made a second time.")
        self._say_reached(reservation)
        if reservation.refused_by is not None:
            self._say_refused(reservation.refused_by)
        return CallAdmission(refused_by=reservation.refused_by)

    def cancel(self, call: LedgerCall) -> None:
        """Take back what was entered for a call that was not made, in the background."""
        self._start(call, lambda: self._ledger.cancel(call.id))

    def settle(self, call: LedgerCall) -> None:
        """Write the end of a call in the background."""
        if call.counted_micros:
            self._telemetry.cost_counted(call.provider_id, call.slot_id, call.counted_micros)
        self._start(call, lambda: self._ledger.settle(call))

    async def written(self, job_id: UUID) -> None:
        """Wait until the ends of the job's calls are written, or the database has not answered."""
        if writing := self._of_job.get(job_id):
            await asyncio.wait(tuple(writing))

    async def close(self) -> None:
        """Write what is left; what the database does not take at once is given up."""
        self._closing.set()
        await self._background.close()
        self._closing.clear()

    def _start(self, call: LedgerCall, write: Callable[[], Awaitable[None]]) -> None:
        task = self._background.start(self._write(call, write), name=f"costs of job {call.job_id}")
        self._of_job[call.job_id].add(task)
        task.add_done_callback(lambda task: self._forget(call.job_id, task))

    async def _write(self, call: LedgerCall, write: Callable[[], Awaitable[None]]) -> None:
        if not await self._written(write):
            _log.warning("costs of job %s are written once the database is back", call.job_id)
            self._background.start(self._write_later(call, write), name=f"costs of job {call.job_id}, later")

    async def _write_later(self, call: LedgerCall, write: Callable[[], Awaitable[None]]) -> None:
        until = self._clock.monotonic() + _RETRIED_FOR
        while not self._closing.is_set() and self._clock.monotonic() < until:
            await race(self._closing.wait(), self._clock.sleep(_RETRY_PAUSE))
            if await self._written(write):
                return
        _log.warning(
            "call of job %s to %s stays in the ledger as it was before it; it cost %s millionths of a dollar",
            call.job_id,
            call.provider_id,
            call.usd_micros,
        )

    async def _written(self, write: Callable[[], Awaitable[None]]) -> bool:
        try:
            async with self._clock.timeout_at(self._clock.now() + _TIMEOUT):
                await write()
        except (QueueUnavailable, TimeoutError):
            return False
        return True

    def _forget(self, job_id: UUID, task: asyncio.Task[None]) -> None:
        self._of_job[job_id].discard(task)
        if not self._of_job[job_id]:
            del self._of_job[job_id]

    def _say_reached(self, reservation: Reservation) -> None:
        for budget in reservation.reached:
            _log.warning("%s is spent to %s %%", budget.name, WARNING_PERCENT)

    def _say_refused(self, budget: Budget) -> None:
        """Log it once a day in each process."""
        if budget not in self._refusing:
            self._refusing = {one for one in self._refusing if one.end > budget.start} | {budget}
            _log.warning("%s is used up until %s", budget.name, budget.end.isoformat())
