"""Providers from installed packages: found by entry point, validated, and skipped if invalid.

A broken package never prevents a start: the reason is logged, and shown by `doctor` and `providers`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.domain.costs.call_cost import CallCost
from ..core.ports.provider import OperationInfo, Provider, ProviderContext, ProviderInfo, WrongModelsFile

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_log = logging.getLogger("photochanger.plugins")

GROUP = "photochanger.providers"
"""The entry-point group: the name is the provider's id, the object a ProviderFactory."""

BUILT_IN = ("bfl", "comfyui", "fal", "gemini", "http", "local", "openai", "replicate", "turbotext")
"""The ids of the built-in providers; no package can use them."""

_RESERVED = ("public",)
"""Ids whose environment variables have another meaning: PHOTOCHANGER_PUBLIC_BASE_URL."""

_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_MAX_ID_CHARS = 64
_MAX_REASON_CHARS = 300
_METHODS = ("check_settings", "expected_cost", "process", "diagnose", "close")


class SkippedPlugin(msgspec.Struct, frozen=True):
    """An installed provider that cannot be used: its id, its package, and why."""

    id: str
    package: str
    reason: str


class _InvalidPlugin(Exception):
    """The provider of an entry point cannot be used; the message says why."""


def installed_ids() -> list[str]:
    """The provider ids of installed packages; the providers are not loaded."""
    return sorted({entry.name for entry in _entries() if _is_free_id(entry.name)})


async def load_providers(
    make_context: Callable[[str], ProviderContext], found: Collection[EntryPoint] | None = None
) -> tuple[list[Provider], list[SkippedPlugin]]:
    """Load the providers of all installed packages; returns them by id, and those that were skipped.

    Packages are imported in a thread, factories called on the event loop. `make_context` makes the context of a
    provider id. `found` replaces the entry points of the environment. WrongModelsFile where the operator's file of
    models for one of them cannot be used.
    """
    entries = await asyncio.to_thread(_entries) if found is None else found
    providers: dict[str, Provider] = {}
    skipped: list[SkippedPlugin] = []
    for entry in sorted(entries, key=lambda entry: (entry.name, _package(entry))):
        try:
            if entry.name in providers:
                raise _InvalidPlugin("another package has a provider of the same name")
            providers[entry.name] = await _load(entry, make_context)
        except _InvalidPlugin as error:
            plugin = SkippedPlugin(entry.name, _package(entry), str(error))
            _log.warning("provider %s of %s skipped: %s", plugin.id, plugin.package, plugin.reason)
            skipped.append(plugin)
    return list(providers.values()), skipped


async def _load(entry: EntryPoint, make_context: Callable[[str], ProviderContext]) -> Provider:
    if entry.name in BUILT_IN:
        raise _InvalidPlugin("its name is that of a built-in provider")
    if not _is_free_id(entry.name):
        raise _InvalidPlugin("its name must consist of lowercase letters, digits and single dashes")
    try:
        factory = await asyncio.to_thread(entry.load)
    except (Exception, SystemExit) as error:
        raise _invalid("it cannot be imported", error) from error
    try:
        provider = factory(make_context(entry.name))
    except WrongModelsFile:
        raise  # the operator's, not the package's
    except (Exception, SystemExit) as error:
        raise _invalid("its factory failed", error) from error
    try:
        _check(entry.name, provider)
    except _InvalidPlugin:
        raise
    except Exception as error:
        raise _invalid("its `info` cannot be read", error) from error
    return provider  # type: ignore[no-any-return]


def _check(name: str, provider: Any) -> None:
    """Raise _InvalidPlugin unless this is a Provider with a valid declaration."""
    info = provider.info
    if not isinstance(info, ProviderInfo):
        raise _InvalidPlugin(f"its `info` is not a ProviderInfo but {type(info).__name__}")
    if info.id != name:
        raise _InvalidPlugin(f"its entry point is named {name!r}, but its id is {str(info.id)[:_MAX_ID_CHARS]!r}")
    missing = [method for method in _METHODS if not callable(getattr(provider, method, None))]
    if missing:
        raise _InvalidPlugin(
            f"it has no method {missing[0]}, which every provider needs. Update the package to this version of the port"
        )
    if not info.operations or not all(isinstance(operation, OperationInfo) for operation in info.operations):
        raise _InvalidPlugin("it has no operations, or not all are OperationInfo")
    ids = [operation.id for operation in info.operations]
    if len(set(ids)) < len(ids):
        raise _InvalidPlugin("two of its operations have the same id")
    for operation in info.operations:
        if not _is_json_object(operation.settings_schema):
            raise _InvalidPlugin(f"the settings schema of {operation.id} is not a JSON object")
    try:
        msgspec.json.decode(msgspec.json.encode(info), type=ProviderInfo)
    except (TypeError, ValueError) as error:
        raise _invalid("its `info` has values of other types than it declares", error) from error
    for operation in info.operations:
        _check_expected_cost(provider, operation.id)


def _check_expected_cost(provider: Any, operation_id: str) -> None:
    """Raise _InvalidPlugin unless the provider can be asked for a cost: every job asks, and must not fail by it."""
    try:
        cost = provider.expected_cost(operation_id, {})
    except Exception as error:
        raise _invalid(f"its `expected_cost` failed for {operation_id}", error) from error
    if isinstance(cost, Coroutine):
        cost.close()
    if not (cost is None or isinstance(cost, CallCost)):
        raise _InvalidPlugin(f"its `expected_cost` returned {type(cost).__name__}, not a CallCost or None")
    if cost is not None and not (isinstance(cost.usd_micros, int) and cost.usd_micros >= 0):
        raise _InvalidPlugin("its `expected_cost` is not a whole number of millionths of a dollar, 0 or more")


def _is_json_object(schema: Any) -> bool:
    """Whether a schema is the same after encoding and decoding: no tuple, NaN or date, only text as keys."""
    try:
        return isinstance(schema, dict) and msgspec.json.decode(msgspec.json.encode(schema)) == schema
    except (TypeError, ValueError, RecursionError):
        return False


def _is_free_id(name: str) -> bool:
    valid = len(name) <= _MAX_ID_CHARS and _ID.fullmatch(name) is not None
    return valid and name not in BUILT_IN and name not in _RESERVED


def _invalid(what: str, error: BaseException) -> _InvalidPlugin:
    lines: Sequence[str] = str(error).splitlines() or [""]
    reason = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
    return _InvalidPlugin(f"{what}: {reason}"[:_MAX_REASON_CHARS])


def _entries() -> Collection[EntryPoint]:
    """The entry points of the environment; loads `importlib.metadata` only if called."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
