"""The keys of providers as they are set right now: the stored one, sealed at rest, before the environment's."""

from __future__ import annotations

import asyncio
import enum
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import InvalidSettings, QueueUnavailable
from ...domain.field_errors import FieldError, FieldErrorCode
from ...ports.clock import Clock
from ...ports.provider import NotConfigured
from ...ports.secrets import (
    SealBroken,
    SecretBox,
    SecretKeyUnavailable,
    SecretRepository,
    StoredSecret,
)

MAX_KEY_CHARS = 4096
BAD_KEY = FieldError("key", FieldErrorCode.KEY_FORMAT, {"max": MAX_KEY_CHARS})
KEY_RULE = BAD_KEY.message

_KEY = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_MAX_AGE = timedelta(seconds=1)
_MAX_OUTAGE = timedelta(minutes=10)
"""How long a key that is known is used while the database is away: guests are served through a restart of it."""


class KeySource(enum.StrEnum):
    """Where a key comes from."""

    STORED = "stored"
    ENVIRONMENT = "environment"


class KeyState(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of a provider's key; `changed_at` and `changed_by` are known of stored ones."""

    source: KeySource
    changed_at: datetime | None = None
    changed_by: str | None = None


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the last reading found. `trouble` is set where the stored key could not be opened.

    Attributes:
        read_at: when that was.
        tried_at: when the repository was last asked, in vain or not.
    """

    read_at: datetime
    tried_at: datetime
    stored: StoredSecret | None
    key: str | None = None
    trouble: str | None = None

    def __repr__(self) -> str:
        return f"_Known(read {self.read_at})"


def is_key(text: str) -> bool:
    """Whether a text can be a key: it becomes the value of an HTTP header (see KEY_RULE)."""
    return len(text) <= MAX_KEY_CHARS and _KEY.fullmatch(text) is not None


class ProviderKeys:
    """Finds keys for the providers of this process and keeps those that are set while it runs.

    A change made here holds at once, one made by another process after a second at most.
    """

    def __init__(
        self, repository: SecretRepository, box: SecretBox, clock: Clock, *, environment: Mapping[str, str]
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

        While the database is away, what was known less than ten minutes ago is used.
        Raises NotConfigured where the stored key cannot be opened; QueueUnavailable.
        """
        known = await self._read(provider_id)
        if known.trouble is not None:
            raise NotConfigured(known.trouble)
        return self._environment.get(provider_id) if known.stored is None else known.key

    async def set(self, provider_id: str, key: str, *, by: Actor) -> None:
        """Store a key; it goes before the environment's. Whether there is such a provider is the caller's to know.

        InvalidSettings where it breaks KEY_RULE; SecretKeyUnavailable, QueueUnavailable.
        """
        if not is_key(key):
            raise InvalidSettings([BAD_KEY])
        sealed = await asyncio.to_thread(self._box.seal, key, purpose=_purpose(provider_id))
        now = self._clock.now()
        secret = StoredSecret(provider_id=provider_id, sealed=sealed, changed_at=now, changed_by=by.name)
        audit = audit_entry(AuditAction.PROVIDER_KEY_CHANGED, by, now=now, target=provider_id)
        async with self._reading[provider_id]:
            await self._repository.put(secret, audit=audit)
            self._known.pop(provider_id, None)

    async def forget(self, provider_id: str, *, by: Actor) -> bool:
        """Remove the stored key, so that the environment's holds again; False where none was stored."""
        audit = audit_entry(AuditAction.PROVIDER_KEY_REMOVED, by, now=self._clock.now(), target=provider_id)
        async with self._reading[provider_id]:
            removed = await self._repository.remove(provider_id, audit=audit)
            self._known.pop(provider_id, None)
            return removed

    async def states(self) -> dict[str, KeyState]:
        """Where each key that is set comes from, by provider id. QueueUnavailable."""
        states = {provider_id: KeyState(source=KeySource.ENVIRONMENT) for provider_id in self._environment}
        for stored in await self._repository.states():
            states[stored.provider_id] = KeyState(
                source=KeySource.STORED, changed_at=stored.changed_at, changed_by=stored.changed_by
            )
        return dict(sorted(states.items()))

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
                now = self._clock.now()
                if before is None or now - before.read_at >= _MAX_OUTAGE:
                    raise
                known = msgspec.structs.replace(before, tried_at=now)
            else:
                known = await self._opened(stored, before)
            self._known[provider_id] = known
            return known

    def _fresh(self, provider_id: str) -> _Known | None:
        known = self._known.get(provider_id)
        return known if known and self._clock.now() - known.tried_at < _MAX_AGE else None

    async def _opened(self, stored: StoredSecret | None, before: _Known | None) -> _Known:
        now = self._clock.now()
        if stored is None:
            return _Known(read_at=now, tried_at=now, stored=None)
        if before is not None and before.stored == stored and before.key is not None:
            return msgspec.structs.replace(before, read_at=now, tried_at=now)
        key: str | None = None
        trouble: str | None = None
        try:
            key = await asyncio.to_thread(self._box.open, stored.sealed, purpose=_purpose(stored.provider_id))
        except SealBroken:
            trouble = (
                "Its stored key cannot be opened: PHOTOCHANGER_SECRET_KEY is another one than the key was stored"
                " with. Set that one again, or set the key anew."
            )
        except SecretKeyUnavailable as error:
            trouble = error.detail
        return _Known(read_at=now, tried_at=now, stored=stored, key=key, trouble=trouble)


def _purpose(provider_id: str) -> str:
    """What a sealed key is bound to: the key of one provider cannot be put in another's row."""
    return f"provider key {provider_id}"
