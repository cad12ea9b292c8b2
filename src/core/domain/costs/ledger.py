"""The ledger: one entry for each call that may cost something, and the sums of entries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from .call_cost import CallCost, Charged

MAX_CALL_MICROS = 10**15
"""The largest amount of one call that is believed."""


class LedgerCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call in the ledger. It is written before the call with what it will probably cost, and again at its end.

    Attributes:
        id: of this call; an entry that is written again replaces itself.
        attempt, entry, call: the attempt of the job, the number of the route entry, and its calls so far, from 1.
        at: when the call began; it counts in the statistics and the budgets of that moment.
        usd_micros: None where nothing is known of its price; it counts as 0.
        exact: from the service's own usage figures; otherwise an estimate.
    """

    id: UUID
    job_id: UUID
    slot_id: str
    provider_id: str
    operation_id: str
    attempt: int
    entry: int
    call: int
    at: datetime
    usd_micros: int | None
    exact: bool = False
    charged: Charged = Charged.UNKNOWN
    model: str | None = None

    @property
    def counted_micros(self) -> int:
        """What the call adds to sums: nothing where the service does not bill it."""
        return 0 if self.charged is Charged.NO else self.usd_micros or 0

    @property
    def is_unpriced(self) -> bool:
        """Whether the call may have cost something of which nothing is known."""
        return self.usd_micros is None and self.charged is not Charged.NO


class CostSum(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of entries of the ledger.

    Attributes:
        usd_micros: of the calls that were billed or may have been.
        estimated_usd_micros: the part of it that is estimated.
        unknown_usd_micros: the part of it of which it is not known whether the service bills it.
        calls: the number of entries.
        unpriced_calls: entries that may have cost something of which nothing is known.
    """

    usd_micros: int = 0
    estimated_usd_micros: int = 0
    unknown_usd_micros: int = 0
    calls: int = 0
    unpriced_calls: int = 0

    @property
    def exact(self) -> bool:
        """Whether nothing in the sum is estimated or unknown."""
        return self.estimated_usd_micros == self.unknown_usd_micros == self.unpriced_calls == 0

    def __add__(self, other: CostSum) -> CostSum:
        return CostSum(
            usd_micros=self.usd_micros + other.usd_micros,
            estimated_usd_micros=self.estimated_usd_micros + other.estimated_usd_micros,
            unknown_usd_micros=self.unknown_usd_micros + other.unknown_usd_micros,
            calls=self.calls + other.calls,
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
        )


NO_COST = CostSum()


class CostCell(msgspec.Struct, frozen=True):
    """The costs of one cell of the statistics: period (its number in the query), slot and provider of the calls."""

    period: int
    slot_id: str
    provider_id: str
    cost: CostSum


def cost_of(call: LedgerCall) -> CostSum:
    """One entry as a sum."""
    counted = call.counted_micros
    return CostSum(
        usd_micros=counted,
        estimated_usd_micros=0 if call.exact else counted,
        unknown_usd_micros=counted if call.charged is Charged.UNKNOWN else 0,
        calls=1,
        unpriced_calls=int(call.is_unpriced),
    )


def sum_of(costs: Iterable[CostSum]) -> CostSum:
    """The sum of sums."""
    return sum(costs, NO_COST)


def believed(cost: CallCost) -> CallCost:
    """The cost within the bounds of the ledger."""
    return msgspec.structs.replace(cost, usd_micros=min(max(cost.usd_micros, 0), MAX_CALL_MICROS))


def may_cost(expected: CallCost | None) -> bool:
    """Whether a call that is expected to cost this is entered in the ledger before it begins."""
    return expected is None or expected.usd_micros > 0
