"""What calls will probably cost, as their providers say."""

from __future__ import annotations

import logging

from ...domain.costs.call_cost import FREE, CallCost
from ...domain.costs.ledger import believed, may_cost
from ...domain.slots.slot import Route, RouteEntry
from ...ports.provider import Provider, ProviderError
from ..providers.registry import ProviderRegistry

_log = logging.getLogger("photochanger.costs")


def expected_cost(provider: Provider, entry: RouteEntry) -> CallCost | None:
    """Return what a call to the entry will probably cost; FREE on this machine, None where nothing is known."""
    if provider.info.on_this_machine:
        return FREE
    try:
        expected = provider.expected_cost(entry.operation_id, entry.settings)
        return None if expected is None else believed(expected)
    except Exception as error:
        # A fault of a provider must not cost the guest the picture; its text may hold anything.
        _log.error("provider %s failed to price a call: %s", provider.info.id, type(error).__name__)
        return None


def paid_prices(route: Route, providers: ProviderRegistry) -> list[int | None]:
    """Return what a call to each entry that may cost something will probably cost, in millionths of a US dollar."""
    prices: list[int | None] = []
    for entry in route.entries:
        try:
            provider, _ = providers.find(entry.provider_id, entry.operation_id)
        except ProviderError:  # it cannot be called
            continue
        expected = expected_cost(provider, entry)
        if may_cost(expected):
            prices.append(None if expected is None else expected.usd_micros)
    return prices
