"""API keys of providers: the stored one, sealed at rest, takes precedence over the environment's."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NewType

import msgspec

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import InvalidSettings, QueueUnavailable
from ...domain.field_errors import FieldError, FieldErrorCode, below
from ...domain.routing.provider_check import ProviderFindingCode
from ...ports.clock import Clock
from ...ports.provider import NotConfigured
from ...ports.secrets import (
    KeyChange,
    SealBroken,
    SecretBox,
    SecretKeyUnavailable,
    SecretRepository,
    SecretState,
    StoredSecret,
)

EnvironmentKeys = NewType("EnvironmentKeys", dict[str, str])
"""API keys from the environment, by provider ID."""

MAX_KEY_CHARS = 4096
BAD_KEY = FieldError("key", FieldErrorCode.KEY_FORMAT, {"max": MAX_KEY_CHARS})
KEY_RULE = BAD_KEY.message

_KEY = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_MAX_AGE = timedelta(seconds=1)
_MAX_OUTAGE = timedelta(minutes=10)
"""How long a key that was read is used while the database is unavailable, so that a restart of it fails no photo."""


class KeySource(enum.StrEnum):
    """Where a key comes from."""

    STORED = "stored"
    ENVIRONMENT = "environment"


class KeyState(msgspec.Struct, frozen=True, kw_only=True):
    """The public part of a provider's key; `changed_at` and `changed_by` are set for stored ones."""

    source: KeySource
    changed_at: datetime | None = None
    changed_by: str | None = None


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the last read.

    Attributes:
        read_at: when it was read, by the monotonic clock.
        tried_at: when the repository was last asked, successfully or not.
        error: why the stored key could not be decrypted.
    """

    read_at: timedelta
    tried_at: timedelta
    stored: StoredSecret | None
    key: str | None = None
    error: str | None = None

    def __repr__(self) -> str:
        return f"_Known(read {self.read_at})"


def is_key(text: str) -> bool:
    """Whether the text obeys KEY_RULE: a key becomes the value of an HTTP header."""
    return len(text) <= MAX_KEY_CHARS and _KEY.fullmatch(text) is not None


def one_line(text: str) -> str:
    """Return a key as it is stored: one that is a JSON document, as a service account's, on one line."""
    if not text.lstrip().startswith("{") or len(text) > 2 * MAX_KEY_CHARS:
        return text
    try:
        return msgspec.json.encode(msgspec.json.decode(text)).decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def read_keys(given: object, *, providers: Collection[str]) -> tuple[dict[str, str | None], list[FieldError]]:
    """Keys by provider from a settings document (None: remove), and an error for each other entry.

    `providers` are the ids of those that take a key.
    """
    if not isinstance(given, Mapping):
        return {}, [FieldError("provider_keys", FieldErrorCode.WRONG_TYPE, {"expected": "object"})]
    keys: dict[str, str | None] = {}
    errors: list[FieldError] = []
    for provider_id, key in given.items():
        place = below("provider_keys", provider_id[:64])
        if provider_id not in providers:
            params = {"provider": provider_id[:64]}
            errors.append(FieldError(place, FieldErrorCode.PROVIDER_NOT_CONFIGURABLE, params))
        elif key is not None and not (isinstance(key, str) and is_key(one_line(key))):
            errors.append(FieldError(place, BAD_KEY.code, BAD_KEY.params))
        else:
            keys[provider_id] = one_line(key) if isinstance(key, str) else None
    return keys, errors


class ProviderKeys:
    """Finds keys for the providers of this process and stores those that are set at run time.

    A change made in this process applies immediately, one made in another process within a second.
    """

    def __init__(
        self, repository: SecretRepository, box: SecretBox, clock: Clock, *, environment: EnvironmentKeys
    ) -> None:
        self._repository = repository
        self._box = box
        self._clock = clock
        self._environment = dict(environment)
        self._known: dict[str, _Known] = {}
        self._reading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def __repr__(self) -> str:
        return "ProviderKeys()"

    async def key(self, provider_id: str) -> str | None:
        """The provider's key, at most a second old; None where neither is set.

        While the database is unavailable, a key read less than ten minutes ago is used.
        Raises NotConfigured where the stored key cannot be decrypted; QueueUnavailable.
        """
        known = await self._read(provider_id)
        if known.error is not None:
            raise NotConfigured(known.error, finding=ProviderFindingCode.KEY_UNREADABLE)
        return self._environment.get(provider_id) if known.stored is None else known.key

    async def set(self, provider_id: str, key: str, *, by: Actor) -> None:
        """Store a key, which takes precedence over the environment's. The caller checks that the provider exists.

        InvalidSettings where it breaks KEY_RULE; SecretKeyUnavailable, QueueUnavailable.
        """
        key = one_line(key)
        if not is_key(key):
            raise InvalidSettings([BAD_KEY])
        (change,) = await self.prepare({provider_id: key}, by=by)
        async with self.replacing([change]):
            await self._repository.change(change)

    async def forget(self, provider_id: str, *, by: Actor) -> bool:
        """Remove the stored key, so that the environment's applies again; False where none was stored."""
        (change,) = await self.prepare({provider_id: None}, by=by)
        async with self.replacing([change]):
            return await self._repository.change(change)

    async def prepare(self, keys: Mapping[str, str | None], *, by: Actor) -> tuple[KeyChange, ...]:
        """Seal these keys (None: remove the stored one) for a write of the caller's own. SecretKeyUnavailable."""
        return tuple([await self._prepare(provider_id, key, by) for provider_id, key in sorted(keys.items())])

    @contextlib.asynccontextmanager
    async def replacing(self, changes: Sequence[KeyChange]) -> AsyncIterator[None]:
        """Hold back readers of these keys while the block writes them, then drop what was read before."""
        async with contextlib.AsyncExitStack() as stack:
            for change in changes:
                await stack.enter_async_context(self._reading[change.provider_id])
            yield
            for change in changes:
                self._known.pop(change.provider_id, None)

    async def states(self) -> dict[str, KeyState]:
        """Where each key that is set comes from, by provider id. QueueUnavailable."""
        states = {provider_id: KeyState(source=KeySource.ENVIRONMENT) for provider_id in self._environment}
        for stored in await self._repository.states():
            states[stored.provider_id] = _stored(stored)
        return dict(sorted(states.items()))

    def states_after(self, states: Mapping[str, KeyState], changes: Sequence[KeyChange]) -> dict[str, KeyState]:
        """What `states` returns once these changes are stored."""
        after = dict(states)
        for change in changes:
            if change.secret is not None:
                after[change.provider_id] = _stored(change.secret)
            elif change.provider_id in self._environment:
                after[change.provider_id] = KeyState(source=KeySource.ENVIRONMENT)
            else:
                after.pop(change.provider_id, None)
        return dict(sorted(after.items()))

    async def _prepare(self, provider_id: str, key: str | None, by: Actor) -> KeyChange:
        now = self._clock.now()
        if key is None:
            audit = audit_entry(AuditAction.PROVIDER_KEY_REMOVED, by, now=now, target=provider_id)
            return KeyChange(provider_id=provider_id, secret=None, audit=audit)
        sealed = await asyncio.to_thread(self._box.seal, key, purpose=_purpose(provider_id))
        secret = StoredSecret(provider_id=provider_id, sealed=sealed, changed_at=now, changed_by=by.name)
        audit = audit_entry(AuditAction.PROVIDER_KEY_CHANGED, by, now=now, target=provider_id)
        return KeyChange(provider_id=provider_id, secret=secret, audit=audit)

    async def _read(self, provider_id: str) -> _Known:
        if (fresh := self._fresh(provider_id)) is not None:
            return fresh
        async with self._reading[provider_id]:
            if (fresh := self._fresh(provider_id)) is not None:
                return fresh
            before = self._known.get(provider_id)
            try:
                stored = await self._repository.get(provider_id)
            except QueueUnavailable:
                now = self._clock.monotonic()
                if before is None or now - before.read_at >= _MAX_OUTAGE:
                    raise
                known = msgspec.structs.replace(before, tried_at=now)
            else:
                known = await self._opened(stored, before)
            self._known[provider_id] = known
            return known

    def _fresh(self, provider_id: str) -> _Known | None:
        known = self._known.get(provider_id)
        return known if known and self._clock.monotonic() - known.tried_at < _MAX_AGE else None

    async def _opened(self, stored: StoredSecret | None, before: _Known | None) -> _Known:
        now = self._clock.monotonic()
        if stored is None:
            return _Known(read_at=now, tried_at=now, stored=None)
        if before is not None and before.stored == stored and before.key is not None:
            return msgspec.structs.replace(before, read_at=now, tried_at=now)
        key: str | None = None
        failure: str | None = None
        try:
            key = await asyncio.to_thread(self._box.open, stored.sealed, purpose=_purpose(stored.provider_id))
        except SealBroken:
            failure = (
                "Cannot decrypt the stored key: PHOTOCHANGER_SECRET_KEY has changed. Restore it, or set the key again."
            )
        except SecretKeyUnavailable as error:
            failure = error.detail
        return _Known(read_at=now, tried_at=now, stored=stored, key=key, error=failure)


def _stored(secret: StoredSecret | SecretState) -> KeyState:
    return KeyState(source=KeySource.STORED, changed_at=secret.changed_at, changed_by=secret.changed_by)


def _purpose(provider_id: str) -> str:
    """What a sealed key is bound to: one provider's key cannot be opened from another provider's row."""
    return f"provider key {provider_id}"
