"""Budgets: how much may be spent in a day, on one slot or altogether."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from ..stats.time_ranges import midnight
from ..stored_values import StoredEnum
from .currency import Currency

MAX_BUDGET_MICROS = 1_000_000_000 * 1_000_000
"""The largest budget of a day, in millionths of the currency."""

WARNING_PERCENT = 80


class AtLimit(StoredEnum):
    """What happens to photos once a budget is used up."""

    REFUSE = "refuse"
    FREE_ONLY = "free_only"


class SlotBudget(msgspec.Struct, frozen=True):
    """What one slot may cost in a day, in millionths of the settings' currency."""

    per_day_micros: int


class Day(msgspec.Struct, frozen=True):
    """A day of the settings' time zone, from midnight to midnight."""

    start: datetime
    end: datetime


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What may be spent from `start` up to and without `end`. `slot_id` None: on all slots together."""

    slot_id: str | None
    usd_micros: int
    start: datetime
    end: datetime

    def covers(self, slot_id: str) -> bool:
        """Whether calls of the slot count in it."""
        return self.slot_id in (None, slot_id)

    def allows(self, usd_micros: int | None, *, spent: int) -> bool:
        """Whether a call of this price fits in; one without a known price does as long as anything is left."""
        if usd_micros is None:
            return spent < self.usd_micros
        return spent + usd_micros <= self.usd_micros

    @property
    def name(self) -> str:
        """What a sentence begins with."""
        return f"The budget of {'all slots' if self.slot_id is None else self.slot_id}"


class BudgetStatus(msgspec.Struct, frozen=True):
    """A budget and what has been spent of it, in millionths of a US dollar; calls under way are included."""

    budget: Budget
    spent: int

    @property
    def percent(self) -> int:
        """How much of it is spent, rounded down; 100 for a budget of nothing."""
        return 100 * self.spent // self.budget.usd_micros if self.budget.usd_micros else 100


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a call that asks to be entered. `refused_by` is the budget that has no room for it.

    Attributes:
        reached: the budgets of which this call is the first to reach WARNING_PERCENT.
        superseded: the job has a later attempt than that of the call.
    """

    refused_by: Budget | None = None
    reached: tuple[Budget, ...] = ()
    superseded: bool = False

    @property
    def granted(self) -> bool:
        return self.refused_by is None and not self.superseded


def day_of(now: datetime, zone: ZoneInfo) -> Day:
    """The day that `now` belongs to."""
    today = now.astimezone(zone).date()
    return Day(midnight(today, zone), midnight(today + timedelta(days=1), zone))


def budgets_of(
    day: Day, *, total_micros: int | None, slots: Collection[tuple[str, SlotBudget]], currency: Currency
) -> tuple[Budget, ...]:
    """The budgets of a day; amounts are in millionths of the currency."""
    given: list[tuple[str | None, int]] = [] if total_micros is None else [(None, total_micros)]
    given += [(slot_id, budget.per_day_micros) for slot_id, budget in slots]
    return tuple(
        Budget(slot_id=slot_id, usd_micros=currency.to_usd_micros(micros), start=day.start, end=day.end)
        for slot_id, micros in given
    )


def reserve(usd_micros: int | None, asked: Sequence[tuple[Budget, int]]) -> Reservation:
    """Decide on one more call of this price; `asked` are the budgets that it counts in, and what is spent of each."""
    for budget, spent in asked:
        if not budget.allows(usd_micros, spent=spent):
            return Reservation(refused_by=budget)
    reached = tuple(
        budget
        for budget, spent in asked
        if 100 * spent < WARNING_PERCENT * budget.usd_micros <= 100 * (spent + (usd_micros or 0))
    )
    return Reservation(reached=reached)
