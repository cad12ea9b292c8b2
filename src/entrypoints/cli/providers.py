"""`photochanger providers`: list the providers of this service, manage their keys and limits."""

from __future__ import annotations

import sys

import click
import msgspec
from dishka import AsyncContainer
from rich.text import Text

from ...core.domain.accounts import COMMAND_LINE
from ...core.domain.errors import PhotoChangerError
from ...core.domain.routing.provider_check import ProviderCheck
from ...core.domain.routing.provider_usage import ProviderLimit, Standing
from ...core.domain.settings import PROVIDER_BOUNDS
from ...core.services.providers.api_keys import ProviderKeys
from ...core.services.providers.checks import ProviderChecks
from ...core.services.settings.service import SettingsService
from ..builtin_providers import Providers
from ..config import Settings
from ..diagnostics.provider_listing import ListedCheck, ListedKey, ListedProvider, ProviderListing, listed_check
from ..provider_plugins import SkippedPlugin
from .runtime import MAX_INPUT_BYTES, configured, open_container, run_async
from .tables import BAD, json_text, make_console, make_table

_BOUND = click.IntRange(*PROVIDER_BOUNDS)


class NoSuchProvider(PhotoChangerError):
    """No provider has this id, or it is a local one, which takes neither key nor limits."""

    code = "no_such_provider"


class Listing(msgspec.Struct, frozen=True):
    """All that `providers` shows."""

    providers: tuple[ListedProvider, ...]
    left_out: tuple[SkippedPlugin, ...]


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.pass_context
def providers(context: click.Context, as_json: bool) -> None:
    """List the providers of this service; manage their keys and limits."""
    if context.invoked_subcommand is not None:
        return
    listing = run_async(_list(configured()))
    if as_json:
        click.echo(json_text(listing))
    else:
        _show(listing)


@providers.command("check")
@click.argument("provider_id", metavar="ID")
def check(provider_id: str) -> None:
    """Ask a provider's service whether its key and the models of active slots work. Makes no picture.

    The exit code is 1 if calls would fail.
    """
    found = run_async(_check(configured(), provider_id))
    make_console().print(check_text(listed_check(found)))
    if not found.works:
        sys.exit(1)


@providers.command("set-key")
@click.argument("provider_id", metavar="ID")
def set_key(provider_id: str) -> None:
    """Store a provider's API key, encrypted. A running service uses it within a second.

    The key is prompted for, or read from standard input where it is no terminal (a file of JSON as well). It is never
    taken from an argument, which other users of the machine could see.
    """
    settings = configured()
    terminal = sys.stdin.isatty()
    key = click.prompt("Key", hide_input=True) if terminal else sys.stdin.read(MAX_INPUT_BYTES)
    run_async(_store_key(settings, provider_id, key.strip()))
    click.echo(f"Key of {provider_id} stored.")


@providers.command("forget-key")
@click.argument("provider_id", metavar="ID")
def forget_key(provider_id: str) -> None:
    """Delete a provider's stored key. The key of the environment applies again, if one is set."""
    removed = run_async(_remove_key(configured(), provider_id))
    click.echo(f"Key of {provider_id} deleted." if removed else f"No key of {provider_id} is stored.")


@providers.command("set-limits")
@click.argument("provider_id", metavar="ID")
@click.option("--concurrent", type=_BOUND, help="Maximum concurrent calls.")
@click.option("--per-minute", type=_BOUND, help="Maximum calls within any 60 seconds.")
@click.option("--per-day", type=_BOUND, help="Maximum calls per day (UTC).")
@click.option("--declared", is_flag=True, help="Restore the provider's default limits.")
def set_limits(
    provider_id: str, concurrent: int | None, per_minute: int | None, per_day: int | None, declared: bool
) -> None:
    """Limit a provider's calls, counted over all workers on all hosts. A limit that is not given is removed.

    A running service applies the limits within a second.
    """
    limit = ProviderLimit(max_concurrent=concurrent, per_minute=per_minute, per_day=per_day)
    if declared and limit != ProviderLimit():
        raise click.UsageError("--declared cannot be combined with other limits")
    run_async(_store_limits(configured(), provider_id, None if declared else limit))
    click.echo(f"Limits of {provider_id} set.")


async def _list(settings: Settings) -> Listing:
    async with open_container(settings) as container:
        made = await container.get(Providers)
        listed = await (await container.get(ProviderListing)).all()
        return Listing(tuple(listed), made.skipped)


async def _check(settings: Settings, provider_id: str) -> ProviderCheck:
    async with open_container(settings, uses_key=True) as container:
        return await (await container.get(ProviderChecks)).check(provider_id)


async def _store_key(settings: Settings, provider_id: str, key: str) -> None:
    async with open_container(settings, uses_key=True) as container:
        await _require_remote(container, provider_id)
        await (await container.get(ProviderKeys)).set(provider_id, key, by=COMMAND_LINE)


async def _remove_key(settings: Settings, provider_id: str) -> bool:
    """Whether a key was stored; that of a package that is no longer installed can be deleted as well."""
    async with open_container(settings) as container:
        return await (await container.get(ProviderKeys)).forget(provider_id, by=COMMAND_LINE)


async def _store_limits(settings: Settings, provider_id: str, limit: ProviderLimit | None) -> None:
    """Store the limits; None restores those that the provider declares."""
    async with open_container(settings) as container:
        await _require_remote(container, provider_id)
        await (await container.get(SettingsService)).limit_provider(provider_id, limit, by=COMMAND_LINE)


async def _require_remote(container: AsyncContainer, provider_id: str) -> None:
    infos = [provider.info for provider in (await container.get(Providers)).providers]
    known = sorted(info.id for info in infos if not info.on_this_machine)
    if provider_id not in known:
        raise NoSuchProvider(f"Unknown provider {provider_id[:64]!r}. Use one of: {', '.join(known)}.")


def _show(listing: Listing) -> None:
    table = make_table("Provider", "Operations", "Key", "Limits", "Health", "Last check", "Address")
    for provider in listing.providers:
        table.add_row(
            f"{provider.id}\n{provider.title}",
            "\n".join(operation.id for operation in provider.operations),
            _key_text(provider.key),
            _limits_text(provider.limits),
            _health_text(provider.standing),
            check_text(provider.check, times=True),
            provider.base_url or "default",
        )
    console = make_console()
    console.print(table)
    for skipped in listing.left_out:
        console.print(f"Skipped: {skipped.id} of {skipped.package}: {skipped.reason}", soft_wrap=True)


def _key_text(key: ListedKey) -> str:
    when = f"{key.changed_at:%Y-%m-%d %H:%M} UTC by {key.changed_by}" if key.changed_at else ""
    return {
        "stored": f"set {when}",
        "environment": "environment",
        "missing": "missing",
        "not_needed": "not needed",
        "unreadable": f"set {when}, but cannot be decrypted",
    }[key.state]


def check_text(check: ListedCheck | None, *, times: bool = False) -> Text:
    """The result of a provider's last check, in words."""
    if check is None:
        return Text("-")
    said = "\n".join(finding.detail for finding in check.findings) or "works"
    when = f"\n{check.checked_at:%Y-%m-%d %H:%M} UTC" if times else ""
    return Text(said + when, style="" if check.works else BAD)


def _health_text(standing: Standing | None) -> str:
    if standing is None:
        return "-"
    health = "" if standing.health is None else f"{standing.health:.0%} success\n"
    slowest_p90 = max((pace.p90_ms for pace in standing.pace.values()), default=None)
    latency = "" if slowest_p90 is None else f"\np90 {slowest_p90 / 1000:.1f} s"
    return f"{health}{standing.calls_today} calls today\nbreaker {standing.breaker.replace('_', '-')}{latency}"


def _limits_text(limits: ProviderLimit) -> str:
    lines = [
        f"{bound} {unit}"
        for bound, unit in (
            (limits.max_concurrent, "concurrent"),
            (limits.per_minute, "per minute"),
            (limits.per_day, "per day"),
        )
        if bound is not None
    ]
    return "\n".join(lines) or "none"
