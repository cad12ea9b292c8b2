"""The providers of this process by id, and the bounds that hold for what they answer."""

from __future__ import annotations

from collections.abc import Iterable

from ...domain.media import ImageLimits
from ...domain.settings import AppSettings
from ...ports.provider import OperationInfo, Provider, Rejected


class ProviderRegistry:
    """Finds a provider and its operation. `limits` bounds the pictures that any provider may answer with."""

    def __init__(self, providers: Iterable[Provider], *, limits: ImageLimits) -> None:
        self._providers = {provider.info.id: provider for provider in providers}
        self.limits = limits

    def find(self, provider_id: str, operation_id: str) -> tuple[Provider, OperationInfo]:
        """The provider and its operation; Rejected where there is none, so that a route goes on with its next entry."""
        provider = self._providers.get(provider_id)
        operation = provider.info.operation(operation_id) if provider else None
        if provider is None or operation is None:
            raise Rejected(f"There is no operation {operation_id!r} of a provider {provider_id!r} here.")
        return provider, operation

    def all(self) -> list[Provider]:
        """Every provider, by id."""
        return [self._providers[provider_id] for provider_id in sorted(self._providers)]

    def concurrency_limits(self, settings: AppSettings) -> dict[str, int]:
        """How many calls each provider may have under way at once, for those that are bounded in that."""
        limits = {
            provider_id: settings.provider_limits.get(provider_id, provider.info.limit).max_concurrent
            for provider_id, provider in self._providers.items()
        }
        return {provider_id: most for provider_id, most in limits.items() if most is not None}

    async def close(self) -> None:
        """Let every provider go of what it holds."""
        for provider in self._providers.values():
            await provider.close()
