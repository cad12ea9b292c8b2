"""Costs on the wire: the calls of a job, and what today cost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ....core.domain.costs.budgets import BudgetStatus
from ....core.domain.costs.call_cost import Charged
from ....core.domain.costs.currency import Currency
from ....core.domain.costs.ledger import LedgerCall, sum_of
from ....core.services.costs.budgets import Today


class CallBody(msgspec.Struct, kw_only=True):
    """A call of a job that might have cost something."""

    at: datetime
    provider_id: str
    operation_id: str
    attempt: int
    entry: int
    call: int
    usd_micros: int | None
    exact: bool
    charged: Charged
    model: str | None


def call_body(call: LedgerCall) -> CallBody:
    """A call on the wire."""
    return CallBody(**{name: getattr(call, name) for name in CallBody.__struct_fields__})


def currency_body(currency: Currency) -> dict[str, Any]:
    """The currency of amounts on the wire."""
    return {"code": currency.code, "usd_rate": currency.usd_rate}


def today_body(today: Today, currency: Currency) -> dict[str, Any]:
    """What today cost, and its budgets, on the wire."""
    return {
        "currency": currency_body(currency),
        "day_start": today.day.start,
        "day_end": today.day.end,
        "cost": sum_of(today.costs.values()),
        "budgets": [_budget_body(status) for status in today.budgets],
    }


def _budget_body(status: BudgetStatus) -> dict[str, Any]:
    return {
        "slot_id": status.budget.slot_id,
        "limit_usd_micros": status.budget.usd_micros,
        "spent_usd_micros": status.spent,
        "percent": status.percent,
    }
