"""The providers of this service as people and programs are told of them: operations, key, limits, health."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ...core.domain.provider_usage import Breaker, ProviderHealth, ProviderLimit
from ...core.ports.provider import NotConfigured, OperationInfo, Provider
from ...core.ports.provider_limits import ProviderLimits
from ...core.services.providers.api_keys import KeyState, ProviderKeys
from ...core.services.settings.service import SettingsService
from ..config import key_variable

_MS = timedelta(milliseconds=1)


class ListedKey(msgspec.Struct, frozen=True):
    """The key of a listed provider; `variable` is None where it takes none.

    `state`: stored, environment, missing, not_needed, or unreadable (stored, but sealed with another secret).
    """

    state: str
    variable: str | None
    changed_at: datetime | None = None
    changed_by: str | None = None


class ListedOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of a listed provider: what can be set of it, and what it accepts of a photo."""

    id: str
    title: str
    settings_schema: dict[str, Any]
    template_roles: tuple[str, ...]
    prompts: tuple[str, ...]
    mimes: tuple[str, ...]
    max_bytes: int
    max_pixels: int


class ListedPace(msgspec.Struct, frozen=True, kw_only=True):
    """How long an operation's pictures took lately, in milliseconds."""

    p50_ms: int
    p75_ms: int
    p90_ms: int
    samples: int


class ListedStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider is doing; `health` is the share of its last calls that made a picture."""

    breaker: Breaker
    open_until: datetime | None
    health: float | None
    calls_last_minute: int
    calls_today: int
    pace: dict[str, ListedPace]


class ListedProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as it is shown.

    `limits` are those that hold, set here or `declared` by the provider; `standing` is None where it was never asked.
    `base_url` is set where another address than its own is configured.
    """

    id: str
    title: str
    operations: tuple[ListedOperation, ...]
    key: ListedKey
    limits: ProviderLimit
    declared: ProviderLimit
    standing: ListedStanding | None
    needs_public_url: bool
    on_this_machine: bool
    base_url: str | None


async def list_providers(
    providers: Iterable[Provider],
    *,
    keys: ProviderKeys,
    limits: ProviderLimits,
    settings: SettingsService,
    base_urls: Mapping[str, str],
) -> list[ListedProvider]:
    """The providers by id. QueueUnavailable."""
    states = await keys.states()
    standings = await limits.health()
    allowed = (await settings.current()).provider_limits
    return [
        ListedProvider(
            id=info.id,
            title=info.title,
            operations=tuple(_operation(operation) for operation in info.operations),
            key=await _key(provider, keys, states.get(info.id)),
            limits=allowed.get(info.id, info.limit),
            declared=info.limit,
            standing=_standing(standings.get(info.id)),
            needs_public_url=info.needs_public_url,
            on_this_machine=info.on_this_machine,
            base_url=base_urls.get(info.id),
        )
        for provider in sorted(providers, key=lambda provider: provider.info.id)
        for info in (provider.info,)
    ]


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


def _standing(standing: ProviderHealth | None) -> ListedStanding | None:
    if standing is None:
        return None
    return ListedStanding(
        breaker=standing.breaker,
        open_until=standing.open_until,
        health=standing.health,
        calls_last_minute=standing.calls_last_minute,
        calls_today=standing.calls_today,
        pace={
            operation_id: ListedPace(
                p50_ms=round(pace.p50 / _MS),
                p75_ms=round(pace.p75 / _MS),
                p90_ms=round(pace.p90 / _MS),
                samples=pace.samples,
            )
            for operation_id, pace in standing.pace.items()
        },
    )


async def _key(provider: Provider, keys: ProviderKeys, state: KeyState | None) -> ListedKey:
    variable = None if provider.info.on_this_machine else key_variable(provider.info.id)
    if state is None:
        return ListedKey("missing" if provider.info.needs_key else "not_needed", variable)
    try:
        await keys.key(provider.info.id)
    except NotConfigured:
        return ListedKey("unreadable", variable, state.changed_at, state.changed_by)
    return ListedKey(str(state.source), variable, state.changed_at, state.changed_by)
