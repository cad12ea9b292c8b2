"""What `photochanger providers` shows and does: the providers of this service, and the keys stored for them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from io import StringIO

import msgspec
from dishka import AsyncContainer
from rich import box
from rich.console import Console
from rich.table import Table

from ..adapters.postgres import Database, require_current_schema
from ..core.errors import PhotoChangerError
from ..core.ports.limits import ProviderLimits
from ..core.ports.providers import NotConfigured, Provider
from ..core.providers import ProviderLimit, Standing
from ..core.services.provider_keys import KeyState, ProviderKeys
from ..core.services.settings_service import SettingsService
from .config import Settings, key_variable
from .container import make_container
from .providers import Providers
from .startup import migrate_database

COMMAND_LINE = "command line"
"""Who set a key, for those that are set here."""

_WIDTH = 120
"""Of the table in characters where it goes to no terminal."""


class NoSuchProvider(PhotoChangerError):
    """There is no provider with this id here, or it works on this machine and takes neither key nor limits."""

    code = "no_such_provider"


class ListedKey(msgspec.Struct, frozen=True):
    """The key of a listed provider; `variable` is None where it takes none.

    `state`: stored, environment, missing, not_needed, or unreadable (stored, but sealed with another secret).
    """

    state: str
    variable: str | None
    changed_at: datetime | None = None
    changed_by: str | None = None


class ListedOperation(msgspec.Struct, frozen=True):
    """An operation of a listed provider."""

    id: str
    title: str


class ListedProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as the command shows it.

    `limits` are those that hold, set here or declared by the provider; `standing` is None where it was never asked.
    `base_url` is set where another address than its own is configured.
    """

    id: str
    title: str
    operations: tuple[ListedOperation, ...]
    key: ListedKey
    limits: ProviderLimit
    standing: Standing | None
    needs_public_url: bool
    base_url: str | None


class LeftOut(msgspec.Struct, frozen=True):
    """An installed provider that could not be used, and why."""

    id: str
    package: str
    reason: str


class Listing(msgspec.Struct, frozen=True):
    """Everything that the command shows."""

    providers: tuple[ListedProvider, ...]
    left_out: tuple[LeftOut, ...]


async def describe(settings: Settings) -> Listing:
    """The providers by id, with the state of their keys. QueueUnavailable."""
    async with _opened(settings) as container:
        made = await container.get(Providers)
        keys = await container.get(ProviderKeys)
        states = await keys.states()
        standings = await (await container.get(ProviderLimits)).standings()
        allowed = (await (await container.get(SettingsService)).current()).provider_limits
        listed = [
            ListedProvider(
                id=provider.info.id,
                title=provider.info.title,
                operations=tuple(
                    ListedOperation(operation.id, operation.title) for operation in provider.info.operations
                ),
                key=await _key(provider, keys, states.get(provider.info.id)),
                limits=allowed.get(provider.info.id, provider.info.limit),
                standing=standings.get(provider.info.id),
                needs_public_url=provider.info.needs_public_url,
                base_url=settings.provider_base_urls.get(provider.info.id),
            )
            for provider in sorted(made.providers, key=lambda provider: provider.info.id)
        ]
        left_out = [LeftOut(trouble.provider_id, trouble.package, trouble.says) for trouble in made.troubles]
        return Listing(tuple(listed), tuple(left_out))


async def store_key(settings: Settings, provider_id: str, key: str) -> None:
    """Set a provider's key. NoSuchProvider, InvalidSettings, SecretKeyUnavailable, QueueUnavailable."""
    async with _opened(settings) as container:
        await _require_remote(container, provider_id)
        await (await container.get(ProviderKeys)).set(provider_id, key, by=COMMAND_LINE)


async def remove_key(settings: Settings, provider_id: str) -> bool:
    """Forget a stored key, also that of a package which is no longer installed; False where there was none."""
    async with _opened(settings) as container:
        return await (await container.get(ProviderKeys)).forget(provider_id)


async def store_limits(settings: Settings, provider_id: str, limit: ProviderLimit | None) -> None:
    """Set what a provider may be asked; None: what it declares itself. NoSuchProvider, QueueUnavailable."""
    async with _opened(settings) as container:
        await _require_remote(container, provider_id)
        await (await container.get(SettingsService)).limit_provider(provider_id, limit)


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


async def _key(provider: Provider, keys: ProviderKeys, state: KeyState | None) -> ListedKey:
    variable = None if provider.info.on_this_machine else key_variable(provider.info.id)
    if state is None:
        return ListedKey("missing" if provider.info.needs_key else "not_needed", variable)
    try:
        await keys.key(provider.info.id)
    except NotConfigured:
        return ListedKey("unreadable", variable, state.changed_at, state.changed_by)
    return ListedKey(str(state.source), variable, state.changed_at, state.changed_by)


def _said_of_key(key: ListedKey) -> str:
    when = f"{key.changed_at:%Y-%m-%d %H:%M} UTC by {key.changed_by}" if key.changed_at else ""
    return {
        "stored": f"set {when}",
        "environment": "environment",
        "missing": "missing",
        "not_needed": "not needed",
        "unreadable": f"set {when}, but cannot be opened",
    }[key.state]


def _said_of_standing(standing: Standing | None) -> str:
    if standing is None:
        return "-"
    health = "" if standing.health is None else f"{standing.health:.0%} pictures\n"
    usual = max((pace.p90.total_seconds() for pace in standing.pace.values()), default=None)
    pace = "" if usual is None else f"\np90 {usual:.1f} s"
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


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[AsyncContainer]:
    """The wiring, with a schema that fits: the embedded database is ours alone to bring up to date."""
    container = make_container(settings)
    try:
        if settings.database_url is None:
            await migrate_database(container)
        else:
            await require_current_schema(await container.get(Database))
        yield container
    finally:
        await container.close()
