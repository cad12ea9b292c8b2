"""The last check of each provider."""

from __future__ import annotations

from typing import Protocol

from ...domain.routing.provider_check import ProviderCheck


class ProviderCheckRepository(Protocol):
    """One check for each provider, the latest. Every method may raise QueueUnavailable."""

    async def put(self, check: ProviderCheck) -> None:
        """Store the check as the provider's last one, unless the stored one is later."""
        ...

    async def all(self) -> list[ProviderCheck]:
        """The stored checks, by provider id."""
        ...
