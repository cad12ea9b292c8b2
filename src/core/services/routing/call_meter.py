"""The cost of one call: noted where its provider answers, and settled in the ledger once, however the call ends."""

from __future__ import annotations

import msgspec

from ...domain.costs.call_cost import CallCost, Charged
from ...domain.costs.ledger import LedgerCall, believed
from ...domain.validation import visible_name
from ...ports.provider import ProviderError, ProviderResult
from ..costs.call_costs import CallCosts


def shown_model(model: str | None) -> str | None:
    """The name of a model as it is kept: its visible characters; None where it has none."""
    return visible_name(model) or None if isinstance(model, str) else None


class CallMeter:
    """Belongs to one call, from before it is admitted to its end.

    Attributes:
        call: as it is entered before the call begins.
        entered: whether it was entered.
        started: whether the call has an owner that closes this meter at its end.
    """

    def __init__(self, call: LedgerCall, costs: CallCosts) -> None:
        self.call = call
        self.entered = False
        self.started = False
        self._costs = costs
        self._sent = False
        self._settled = False

    def sent(self) -> None:
        """The provider has the request: from now on it may bill the call."""
        self._sent = True

    def not_sent(self) -> None:
        """The provider could not send the request after all."""
        self._sent = False

    def answered(self, result: ProviderResult) -> None:
        """The provider made a picture; without a cost of its own the call costs what was expected."""
        self._settle(result.cost, charged=Charged.YES, model=result.model)

    def failed(self, error: ProviderError | None = None) -> None:
        """The provider refused or failed; without a cost of its own the call is not billed."""
        self._settle(None if error is None else error.cost, charged=Charged.NO)

    def close(self) -> None:
        """The call has ended. One that was sent and not answered may have been billed all the same."""
        if self._sent:
            self._settle(None, charged=Charged.UNKNOWN)
        elif self.entered and not self._settled:
            self._settled = True
            self._costs.cancel(self.call)

    def _settle(self, cost: CallCost | None, *, charged: Charged, model: str | None = None) -> None:
        if self._settled:
            return
        self._settled = True
        call = msgspec.structs.replace(self.call, charged=charged, model=shown_model(model))
        if cost is not None:
            cost = believed(cost)
            call = msgspec.structs.replace(call, usd_micros=cost.usd_micros, exact=cost.exact, charged=cost.charged)
        if self.entered or call.counted_micros:
            self._costs.settle(call)
