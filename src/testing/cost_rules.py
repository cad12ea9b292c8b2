"""What the service relies on in every cost and price: the ledger adds them up, and budgets are enforced by them."""

from __future__ import annotations

import msgspec

from ..core.domain.costs.call_cost import MICROS_PER_USD, CallCost, Charged
from ..core.ports.provider import ProviderInfo

MAX_CALL_USD_MICROS = 100 * MICROS_PER_USD
"""No picture costs 100 dollars: more is an amount in another unit."""


def check_cost(cost: CallCost) -> None:
    """Fail unless this is the cost of one call: whole millionths of a dollar, 0 or more, and JSON can hold it."""
    assert isinstance(cost, CallCost)
    assert isinstance(cost.usd_micros, int), "whole millionths of a dollar"
    assert not isinstance(cost.usd_micros, bool)
    assert 0 <= cost.usd_micros <= MAX_CALL_USD_MICROS
    assert isinstance(cost.exact, bool)
    assert isinstance(cost.charged, Charged)
    assert msgspec.json.decode(msgspec.json.encode(cost), type=CallCost) == cost


def check_expected_cost(cost: CallCost) -> None:
    """Fail unless this can be a cost before the call: an estimate, for only the service knows; or nothing at all."""
    check_cost(cost)
    assert cost.exact is False or cost.usd_micros == 0, "before the call a price is an estimate"


def check_prices(info: ProviderInfo) -> None:
    """Fail unless the models and the price table can be shown and overridden: each line once, no negative amount."""
    ids = [model.id for model in info.models]
    names = ids + [alias for model in info.models for alias in model.aliases]
    assert len(set(names)) == len(names), "a name means one model"
    lines = [(price.model, price.what, price.unit) for price in info.prices]
    assert len(set(lines)) == len(lines), "a price stands once"
    for price in info.prices:
        assert price.model
        assert price.what
        assert isinstance(price.usd_micros, int), "whole millionths of a dollar"
        assert price.usd_micros >= 0
