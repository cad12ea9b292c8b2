"""What a call costs by the tokens that a service reports, or probably."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ...core.domain.costs.call_cost import CallCost, Charged, PriceUnit
from .catalogue import Catalogue

_P = TypeVar("_P", bound=Struct)

_MAX_TOKENS = 1_000_000_000
_MILLION = 1_000_000


def token_count(value: Any) -> int:
    """Return a number of tokens from an answer; 0 for anything else."""
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else 0


def token_cost(catalogue: Catalogue[_P], model: str, tokens: Mapping[str, int], *, exact: bool) -> CallCost | None:
    """Return what tokens cost, by the name of their price; None without tokens, or for a model without such prices.

    `exact`: the tokens are the service's own figures. What has no price of its own costs the model's highest one, as
    an estimate.
    """
    known = catalogue.model(model)
    lines = [line for line in known.prices if line.unit is PriceUnit.MILLION_TOKENS] if known else []
    used = {what: count for what, count in tokens.items() if count}
    if not lines or not used:
        return None
    prices = {line.what: line.usd_micros for line in lines}
    highest = max(prices.values())
    total = sum(count * prices.get(what, highest) for what, count in used.items())
    return CallCost(usd_micros=(total + _MILLION // 2) // _MILLION, exact=exact and used.keys() <= prices.keys())


def perhaps_charged(cost: CallCost | None) -> CallCost | None:
    """Return the cost of a call without a picture that the service may bill all the same."""
    return None if cost is None else replace(cost, charged=Charged.UNKNOWN)
