"""Providers from installed packages: found by their entry point, looked at closely, and left out where they do not fit.

A broken package never stops a start: what is wrong with it is logged and told by `doctor` and `providers`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.ports.provider import (
    OperationInfo,
    Provider,
    ProviderContext,
    ProviderInfo,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_log = logging.getLogger("photochanger.plugins")

GROUP = "photochanger.providers"
"""The entry-point group: the name is the provider's id, the object a ProviderFactory."""

BUILT_IN = ("gemini", "http", "local", "openai", "turbotext")
"""The ids of the providers that come along; no package can take them."""

_RESERVED = ("public",)
"""Ids whose variables mean something else: PHOTOCHANGER_PUBLIC_BASE_URL."""

_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_MAX_ID_CHARS = 64
_MAX_REASON_CHARS = 300
_METHODS = ("check_settings", "process", "diagnose", "close")


class PluginError(msgspec.Struct, frozen=True):
    """An installed provider that is left out: its id, the package that offers it, and what is wrong."""

    provider_id: str
    package: str
    says: str


class _Unfit(Exception):
    """What an entry point names cannot be used; the message says why."""


def installed_ids() -> list[str]:
    """The ids that installed packages offer providers under, without looking at the providers."""
    return sorted({entry.name for entry in _entries() if _is_free_id(entry.name)})


async def load_providers(
    make_context: Callable[[str], ProviderContext], found: Collection[EntryPoint] | None = None
) -> tuple[list[Provider], list[PluginError]]:
    """The providers of all installed packages by id, and those that had to be left out.

    Packages are imported in a thread, factories called on the event loop. `make_context` makes the context of one
    provider id; `found` stands in for the entry points of the environment.
    """
    entries = await asyncio.to_thread(_entries) if found is None else found
    providers: dict[str, Provider] = {}
    troubles: list[PluginError] = []
    for entry in sorted(entries, key=lambda entry: (entry.name, _package(entry))):
        try:
            if entry.name in providers:
                raise _Unfit("another package offers a provider of the same name")
            providers[entry.name] = await _load(entry, make_context)
        except _Unfit as unfit:
            trouble = PluginError(entry.name, _package(entry), str(unfit))
            _log.warning("the provider %s of %s is left out: %s", trouble.provider_id, trouble.package, trouble.says)
            troubles.append(trouble)
    return list(providers.values()), troubles


async def _load(entry: EntryPoint, make_context: Callable[[str], ProviderContext]) -> Provider:
    if entry.name in BUILT_IN:
        raise _Unfit("its name is taken by a provider that comes along")
    if not _is_free_id(entry.name):
        raise _Unfit("its name is none for a provider: small letters, digits, and dashes between them")
    try:
        factory = await asyncio.to_thread(entry.load)
    except (Exception, SystemExit) as error:
        raise _unfit("it cannot be imported", error) from error
    try:
        provider = factory(make_context(entry.name))
    except (Exception, SystemExit) as error:
        raise _unfit("its factory failed", error) from error
    try:
        _check(entry.name, provider)
    except _Unfit:
        raise
    except Exception as error:
        raise _unfit("its `info` cannot be read", error) from error
    return provider  # type: ignore[no-any-return]


def _check(name: str, provider: Any) -> None:
    """_Unfit unless this is a Provider whose declaration can be shown, checked against and routed to."""
    info = provider.info
    if not isinstance(info, ProviderInfo):
        raise _Unfit(f"its `info` is no ProviderInfo but {type(info).__name__}")
    if info.id != name:
        raise _Unfit(f"its entry point is named {name!r}, but its id is {str(info.id)[:_MAX_ID_CHARS]!r}")
    missing = [method for method in _METHODS if not callable(getattr(provider, method, None))]
    if missing:
        raise _Unfit(f"it has no method {missing[0]}")
    if not info.operations or not all(isinstance(operation, OperationInfo) for operation in info.operations):
        raise _Unfit("its operations are none, or not all OperationInfo")
    ids = [operation.id for operation in info.operations]
    if len(set(ids)) < len(ids):
        raise _Unfit("two of its operations have one id")
    for operation in info.operations:
        if not _is_json_object(operation.settings_schema):
            raise _Unfit(f"the settings schema of {operation.id} is no JSON object")
    try:
        msgspec.json.decode(msgspec.json.encode(info), type=ProviderInfo)
    except (TypeError, ValueError) as error:
        raise _unfit("its `info` has values of other types than it declares", error) from error


def _is_json_object(schema: Any) -> bool:
    """Whether a schema is written and read as JSON without a change: no tuple, no NaN, no date, text as keys."""
    try:
        return isinstance(schema, dict) and msgspec.json.decode(msgspec.json.encode(schema)) == schema
    except (TypeError, ValueError, RecursionError):
        return False


def _is_free_id(name: str) -> bool:
    fits = len(name) <= _MAX_ID_CHARS and _ID.fullmatch(name) is not None
    return fits and name not in BUILT_IN and name not in _RESERVED


def _unfit(what: str, error: BaseException) -> _Unfit:
    lines: Sequence[str] = str(error).splitlines() or [""]
    said = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
    return _Unfit(f"{what}: {said}"[:_MAX_REASON_CHARS])


def _entries() -> Collection[EntryPoint]:
    """What the environment offers; `importlib.metadata` is loaded by those alone who ask."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
