"""What `photochanger providers` shows and does: the providers of this service, and the keys stored for them."""

from __future__ import annotations

import shutil
from io import StringIO

import msgspec
from dishka import AsyncContainer
from rich import box
from rich.console import Console
from rich.table import Table

from ..core.domain.accounts import COMMAND_LINE
from ..core.domain.errors import PhotoChangerError
from ..core.domain.provider_usage import ProviderHealth, ProviderLimit
from ..core.services.providers.api_keys import ProviderKeys
from ..core.services.settings.service import SettingsService
from .builtin_providers import Providers
from .config import Settings
from .diagnostics.provider_listing import (
    ListedKey,
    ListedProvider,
    ProviderListing,
)
from .opened import opened

_WIDTH = 120
"""Of the table in characters where it goes to no terminal."""


class NoSuchProvider(PhotoChangerError):
    """There is no provider with this id here, or it works on this machine and takes neither key nor limits."""

    code = "no_such_provider"


class SkippedPlugin(msgspec.Struct, frozen=True):
    """An installed provider that could not be used, and why."""

    id: str
    package: str
    reason: str


class Listing(msgspec.Struct, frozen=True):
    """Everything that the command shows."""

    providers: tuple[ListedProvider, ...]
    left_out: tuple[SkippedPlugin, ...]


async def describe(settings: Settings) -> Listing:
    """The providers by id, with the state of their keys. QueueUnavailable."""
    async with opened(settings) as container:
        made = await container.get(Providers)
        listed = await (await container.get(ProviderListing)).all()
        left_out = [SkippedPlugin(trouble.provider_id, trouble.package, trouble.says) for trouble in made.troubles]
        return Listing(tuple(listed), tuple(left_out))


async def store_key(settings: Settings, provider_id: str, key: str) -> None:
    """Set a provider's key. NoSuchProvider, InvalidSettings, SecretKeyUnavailable, QueueUnavailable."""
    async with opened(settings) as container:
        await _require_remote(container, provider_id)
        await (await container.get(ProviderKeys)).set(provider_id, key, by=COMMAND_LINE)


async def remove_key(settings: Settings, provider_id: str) -> bool:
    """Forget a stored key, also that of a package which is no longer installed; False where there was none."""
    async with opened(settings) as container:
        return await (await container.get(ProviderKeys)).forget(provider_id, by=COMMAND_LINE)


async def store_limits(settings: Settings, provider_id: str, limit: ProviderLimit | None) -> None:
    """Set what a provider may be asked; None: what it declares itself. NoSuchProvider, QueueUnavailable."""
    async with opened(settings) as container:
        await _require_remote(container, provider_id)
        await (await container.get(SettingsService)).limit_provider(provider_id, limit, by=COMMAND_LINE)


async def _require_remote(container: AsyncContainer, provider_id: str) -> None:
    infos = [provider.info for provider in (await container.get(Providers)).providers]
    known = sorted(info.id for info in infos if not info.on_this_machine)
    if provider_id not in known:
        raise NoSuchProvider(f"There is no provider {provider_id[:64]!r} here; there are {', '.join(known)}.")


def json_text(listing: Listing) -> str:
    """For scripts."""
    return msgspec.json.format(msgspec.json.encode(listing), indent=2).decode()


def as_table(listing: Listing) -> str:
    """For people."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Provider", "Operations", "Key", "Limits", "Health", "Address"):
        table.add_column(heading, overflow="fold")
    for provider in listing.providers:
        table.add_row(
            f"{provider.id}\n{provider.title}",
            "\n".join(operation.id for operation in provider.operations),
            _said_of_key(provider.key),
            _said_of_limits(provider.limits),
            _said_of_standing(provider.standing),
            provider.base_url or "its own",
        )
    out = StringIO()
    width = shutil.get_terminal_size(fallback=(_WIDTH, 1)).columns
    console = Console(file=out, width=width, markup=False, highlight=False, emoji=False)
    console.print(table)
    for left_out in listing.left_out:
        console.print(f"Left out: {left_out.id} of {left_out.package}: {left_out.reason}", soft_wrap=True)
    return out.getvalue().rstrip()


def _said_of_key(key: ListedKey) -> str:
    when = f"{key.changed_at:%Y-%m-%d %H:%M} UTC by {key.changed_by}" if key.changed_at else ""
    return {
        "stored": f"set {when}",
        "environment": "environment",
        "missing": "missing",
        "not_needed": "not needed",
        "unreadable": f"set {when}, but cannot be opened",
    }[key.state]


def _said_of_standing(standing: ProviderHealth | None) -> str:
    if standing is None:
        return "-"
    health = "" if standing.health is None else f"{standing.health:.0%} pictures\n"
    usual = max((pace.p90_ms for pace in standing.pace.values()), default=None)
    pace = "" if usual is None else f"\np90 {usual / 1000:.1f} s"
    return f"{health}{standing.calls_today} calls today\nbreaker {standing.breaker.replace('_', '-')}{pace}"


def _said_of_limits(limits: ProviderLimit) -> str:
    said = [
        f"{bound} {what}"
        for bound, what in (
            (limits.max_concurrent, "at once"),
            (limits.per_minute, "a minute"),
            (limits.per_day, "a day"),
        )
        if bound is not None
    ]
    return "\n".join(said) or "none"
