"""The providers of this service: operations, keys, limits, health."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ...core.domain.costs.call_cost import ModelInfo, Price
from ...core.domain.routing.provider_check import ProviderCheck, ProviderFinding
from ...core.domain.routing.provider_usage import ProviderLimit, Standing
from ...core.ports.provider import NotConfigured, OperationInfo, Provider
from ...core.ports.provider_limits import ProviderLimits
from ...core.services.providers.api_keys import KeyState, ProviderKeys
from ...core.services.providers.checks import ProviderChecks
from ...core.services.providers.registry import ProviderRegistry
from ...core.services.settings.service import SettingsService
from ..config import Settings, key_variable


class ListedKey(msgspec.Struct, frozen=True):
    """The API key of a provider; `variable` is None if it has none.

    `state`: stored, environment, missing, not_needed, or unreadable (stored, but sealed with another secret key).
    """

    state: str
    variable: str | None
    changed_at: datetime | None = None
    changed_by: str | None = None


class ListedOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of a provider: its settings, and the photos that it accepts."""

    id: str
    title: str
    settings_schema: dict[str, Any]
    template_roles: tuple[str, ...]
    prompts: tuple[str, ...]
    mimes: tuple[str, ...]
    max_bytes: int
    max_pixels: int


class ListedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The last check of a provider; `works`: calls are expected to succeed, though a model may end soon."""

    works: bool
    checked_at: datetime
    models: tuple[str, ...]
    findings: tuple[ProviderFinding, ...]


def listed_check(check: ProviderCheck) -> ListedCheck:
    """The check as it is listed."""
    return ListedCheck(works=check.works, checked_at=check.checked_at, models=check.models, findings=check.findings)


class ListedProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider.

    `limits` are those in force, set here or `declared` by the provider; `standing` is None before the first call.
    `base_url` is set if an address other than its own is configured. `check` is None before the first one.
    """

    id: str
    title: str
    operations: tuple[ListedOperation, ...]
    key: ListedKey
    limits: ProviderLimit
    declared: ProviderLimit
    standing: Standing | None
    needs_public_url: bool
    on_this_machine: bool
    base_url: str | None
    models: tuple[ModelInfo, ...]
    prices: tuple[Price, ...]
    check: ListedCheck | None


class ProviderListing:
    """Lists the providers of this service."""

    def __init__(
        self,
        providers: ProviderRegistry,
        keys: ProviderKeys,
        limits: ProviderLimits,
        checks: ProviderChecks,
        settings: SettingsService,
        config: Settings,
    ) -> None:
        self._providers = providers
        self._keys = keys
        self._limits = limits
        self._checks = checks
        self._settings = settings
        self._base_urls = config.provider_base_urls

    async def all(self) -> list[ListedProvider]:
        """The providers by ID. QueueUnavailable."""
        states = await self._keys.states()
        health = await self._limits.health()
        checks = await self._checks.last()
        limits = (await self._settings.current()).provider_limits
        return [
            ListedProvider(
                id=info.id,
                title=info.title,
                operations=tuple(_operation(operation) for operation in info.operations),
                key=await self._key(provider, states.get(info.id)),
                limits=limits.get(info.id, info.limit),
                declared=info.limit,
                standing=health[info.id].standing if info.id in health else None,
                needs_public_url=info.needs_public_url,
                on_this_machine=info.on_this_machine,
                base_url=self._base_urls.get(info.id),
                models=info.models,
                prices=info.prices,
                check=listed_check(checks[info.id]) if info.id in checks else None,
            )
            for provider in sorted(self._providers.all(), key=lambda provider: provider.info.id)
            for info in (provider.info,)
        ]

    async def _key(self, provider: Provider, state: KeyState | None) -> ListedKey:
        info = provider.info
        variable = None if info.on_this_machine else key_variable(info.id)
        if state is None:
            return ListedKey("missing" if info.needs_key else "not_needed", variable)
        try:
            await self._keys.key(info.id)
        except NotConfigured:
            return ListedKey("unreadable", variable, state.changed_at, state.changed_by)
        return ListedKey(str(state.source), variable, state.changed_at, state.changed_by)


def _operation(operation: OperationInfo) -> ListedOperation:
    return ListedOperation(
        id=operation.id,
        title=operation.title,
        settings_schema=operation.settings_schema,
        template_roles=operation.template_roles,
        prompts=operation.prompts,
        mimes=operation.needs.mimes,
        max_bytes=operation.needs.max_bytes,
        max_pixels=operation.needs.max_pixels,
    )
