"""The ProviderCheckRepository port in memory."""

from __future__ import annotations

from ...core.domain.routing.provider_check import ProviderCheck


class MemoryProviderCheckRepository:
    """Checks by provider id."""

    def __init__(self) -> None:
        self._last: dict[str, ProviderCheck] = {}

    async def put(self, check: ProviderCheck) -> None:
        known = self._last.get(check.provider_id)
        if known is None or known.checked_at <= check.checked_at:
            self._last[check.provider_id] = check

    async def all(self) -> list[ProviderCheck]:
        return [self._last[provider_id] for provider_id in sorted(self._last)]
