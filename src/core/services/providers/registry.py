"""The providers of this process by id, and the limits of the pictures that they return."""

from __future__ import annotations

from collections.abc import Iterable

from ...domain.media import ImageLimits
from ...domain.routing.failure_cause import FailureCause
from ...domain.settings import AppSettings
from ...ports.provider import OperationInfo, Provider, Rejected


class ProviderRegistry:
    """Finds a provider and its operation. `limits` bounds the pictures that providers return."""

    def __init__(self, providers: Iterable[Provider], *, limits: ImageLimits) -> None:
        self._providers = {provider.info.id: provider for provider in providers}
        self.limits = limits

    def find(self, provider_id: str, operation_id: str) -> tuple[Provider, OperationInfo]:
        """Return a provider and its operation; Rejected if unknown, so that a route goes on with its next entry."""
        provider = self._providers.get(provider_id)
        operation = provider.info.operation(operation_id) if provider else None
        if provider is None or operation is None:
            raise Rejected(
                f"Unknown operation {operation_id!r} of provider {provider_id!r}.", cause=FailureCause.SETTINGS_INVALID
            )
        return provider, operation

    def all(self) -> list[Provider]:
        """Return all providers, sorted by id."""
        return [self._providers[provider_id] for provider_id in sorted(self._providers)]

    def concurrency_limits(self, settings: AppSettings) -> dict[str, int]:
        """Return the limits on concurrent calls, by the ids of the providers that have one."""
        limits = {
            provider_id: settings.provider_limits.get(provider_id, provider.info.limit).max_concurrent
            for provider_id, provider in self._providers.items()
        }
        return {provider_id: limit for provider_id, limit in limits.items() if limit is not None}

    async def close(self) -> None:
        """Close all providers."""
        for provider in self._providers.values():
            await provider.close()
