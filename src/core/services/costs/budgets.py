"""The budgets of today: what they are, what is spent, and whether a photo may still be taken."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection

import msgspec

from ...domain.costs.budgets import AtLimit, Budget, BudgetStatus, Day, budgets_of, day_of
from ...domain.costs.ledger import NO_COST, CostSum
from ...domain.errors import BudgetExhausted, QueueUnavailable
from ...domain.slots.slot import Slot
from ...domain.stats.time_ranges import time_zone
from ...ports.clock import Clock
from ...ports.repositories.slot_repository import SlotRepository
from ..providers.registry import ProviderRegistry
from ..settings.service import SettingsService
from ..support.refreshing_value import RefreshingValue
from .day_costs import DayCosts
from .prices import paid_prices

_log = logging.getLogger("photochanger.costs")

_MAX_RETRY_SECONDS = 86_400


class Today(msgspec.Struct, frozen=True):
    """The day of the settings' time zone, its costs by slot and its budgets."""

    day: Day
    costs: dict[str, CostSum]
    budgets: tuple[BudgetStatus, ...]


class _Known(msgspec.Struct, frozen=True):
    day: Day
    statuses: tuple[BudgetStatus, ...]


class Budgets:
    """Reads budgets and what is spent of them, at most a second old. Exact is only `CostLedger.reserve`."""

    def __init__(
        self,
        costs: DayCosts,
        slots: SlotRepository,
        settings: SettingsService,
        providers: ProviderRegistry,
        clock: Clock,
    ) -> None:
        self._day_costs = costs
        self._slots = slots
        self._settings = settings
        self._providers = providers
        self._clock = clock
        self._known = RefreshingValue(self._read, clock, what="the budgets")

    async def of_slot(self, slot_id: str) -> tuple[BudgetStatus, ...]:
        """Return the budgets that calls of the slot count in, in an outage those last read. QueueUnavailable."""
        known = await self._known.last_known()
        if not known.day.start <= self._clock.now() < known.day.end:  # an outage over midnight
            raise QueueUnavailable("The budgets of this day have not been read yet.")
        return tuple(status for status in known.statuses if status.budget.covers(slot_id))

    async def refusal(self, slot: Slot) -> BudgetExhausted | None:
        """Return why no photo is taken on this slot now; None where one is, or where the budgets cannot be read.

        A slot is refused if a budget that it counts in has no room for any of its entries that cost something, and
        the settings refuse photos then.
        """
        try:
            settings = await self._settings.last_known()
            if settings.budget_at_limit is not AtLimit.REFUSE:
                return None
            statuses = await self.of_slot(slot.id)
        except QueueUnavailable as error:
            _log.warning("photo on %s admitted without a look at the budgets: %s", slot.id, error.detail)
            return None
        prices = paid_prices(slot.route, self._providers) if statuses else []
        if not prices:
            return None
        exhausted = [status.budget for status in statuses if not _has_room(status, prices)]
        return self._refused_by(exhausted[0]) if exhausted else None

    async def today(self) -> Today:
        """Return today's costs and budgets as they are now. QueueUnavailable."""
        day, budgets = await self._day_and_budgets()
        costs = await self._costs(day)
        return Today(day, costs, _statuses(budgets, costs))

    def forget(self) -> None:
        """Read the budgets again the next time."""
        self._known.forget()

    async def _read(self) -> _Known:
        day, budgets = await self._day_and_budgets()
        return _Known(day, _statuses(budgets, await self._costs(day) if budgets else {}))

    async def _day_and_budgets(self) -> tuple[Day, tuple[Budget, ...]]:
        settings = await self._settings.current()
        day = day_of(self._clock.now(), time_zone(settings.time_zone))
        slots = await self._slots.budgets()
        total = settings.budget_per_day_micros
        return day, budgets_of(day, total_micros=total, slots=slots.items(), currency=settings.currency)

    async def _costs(self, day: Day) -> dict[str, CostSum]:
        return await self._day_costs.by_slot(day.start, day.end)

    def _refused_by(self, budget: Budget) -> BudgetExhausted:
        wait = (budget.end - self._clock.now()).total_seconds()
        seconds = min(max(math.ceil(wait), 1), _MAX_RETRY_SECONDS)
        return BudgetExhausted(f"{budget.name} is used up for today. Retry in {seconds} s.", retry_after=seconds)


def _has_room(status: BudgetStatus, prices: Collection[int | None]) -> bool:
    return any(status.budget.allows(price, spent=status.spent) for price in prices)


def _statuses(budgets: Collection[Budget], costs: dict[str, CostSum]) -> tuple[BudgetStatus, ...]:
    total = sum(cost.usd_micros for cost in costs.values())
    return tuple(
        BudgetStatus(budget, total if budget.slot_id is None else costs.get(budget.slot_id, NO_COST).usd_micros)
        for budget in budgets
    )
