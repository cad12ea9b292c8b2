"""The gauges that are read from the database: queue, workers, circuit breakers, budgets."""

from __future__ import annotations

from ...adapters.telemetry.instruments import (
    BREAKER,
    BUDGET_LIMIT,
    BUDGET_SPENT,
    JOBS_ACTIVE,
    JOBS_LIMIT,
    WORKERS_ALIVE,
    Instrument,
)
from ...core.domain.costs.budgets import BudgetStatus
from ...core.domain.costs.call_cost import MICROS_PER_USD
from ...core.domain.routing.provider_usage import Breaker
from ...core.ports.job_queue import JobQueue
from ...core.ports.provider_limits import ProviderLimits
from ...core.ports.workers import WorkerRegistry
from ...core.services.costs.budgets import Budgets
from ...core.services.settings.service import SettingsService

Values = dict[tuple[str, ...], float]
"""The values of a gauge by those of its labels."""

GAUGES = (JOBS_ACTIVE, JOBS_LIMIT, WORKERS_ALIVE, BREAKER, BUDGET_LIMIT, BUDGET_SPENT)

_ALL_SLOTS = "all"
"""The label of the budget of all slots together."""


class DatabaseGauges:
    """Reads them all at once."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        workers: WorkerRegistry,
        limits: ProviderLimits,
        settings: SettingsService,
        budgets: Budgets,
    ) -> None:
        self._queue = queue
        self._workers = workers
        self._limits = limits
        self._settings = settings
        self._budgets = budgets

    async def read(self) -> dict[Instrument, Values]:
        """Return the values of each of GAUGES; QueueUnavailable."""
        depth = await self._queue.depth()
        workers = await self._workers.all()
        standings = await self._limits.health()
        settings = await self._settings.current()
        budgets = (await self._budgets.today()).budgets
        return {
            JOBS_ACTIVE: {("pending",): float(depth.pending), ("processing",): float(depth.processing)},
            JOBS_LIMIT: {(): float(settings.max_active_jobs)},
            WORKERS_ALIVE: {(): float(sum(not worker.silent for worker in workers))},
            BREAKER: {
                (provider_id, state.value): float(standing.breaker is state)
                for provider_id, standing in standings.items()
                for state in Breaker
            },
            BUDGET_LIMIT: {_label(status): status.budget.usd_micros / MICROS_PER_USD for status in budgets},
            BUDGET_SPENT: {_label(status): status.spent / MICROS_PER_USD for status in budgets},
        }


def _label(status: BudgetStatus) -> tuple[str, ...]:
    return (status.budget.slot_id or _ALL_SLOTS,)
