"""The current settings, cached for a second, and how administrators change them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from ...domain.accounts import FIRST_START, Actor
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import VersionConflict
from ...domain.routing.provider_usage import ProviderLimit
from ...domain.settings import AppSettings, StoredPassword, StoredSettings
from ...domain.validation import refuse
from ...ports.clock import Clock
from ...ports.repositories.settings_repository import SettingsRepository, SettingsUpdate
from ...ports.secrets import KeyChange
from ..providers.api_keys import KeyState, ProviderKeys, read_keys
from ..providers.registry import ProviderRegistry
from ..support.passwords import Passwords
from ..support.refreshing_value import RefreshingValue
from .validation import UNITS, SettingsChange, read_change, shown


class _Snapshot(msgspec.Struct, frozen=True):
    settings: AppSettings
    ingest_password: StoredPassword | None


class SettingsService:
    """The configured defaults, overridden by what an administrator has set."""

    def __init__(
        self,
        repository: SettingsRepository,
        passwords: Passwords,
        providers: ProviderRegistry,
        keys: ProviderKeys,
        clock: Clock,
        *,
        defaults: AppSettings,
    ) -> None:
        self._repository = repository
        self._passwords = passwords
        self._providers = providers
        self._keys = keys
        self._clock = clock
        self._defaults = defaults
        self._snapshot = RefreshingValue(self._read, clock, what="the settings")
        self._unconfirmed: tuple[str, str] | None = None
        """The hash of a generated ingest password and the password, where the reply to its storing was lost."""

    async def current(self) -> AppSettings:
        """The settings, at most a second old; QueueUnavailable."""
        return (await self._snapshot.get()).settings

    async def last_known(self) -> AppSettings:
        """The settings, during an outage of the database those that were last read; QueueUnavailable before that."""
        return (await self._snapshot.last_known()).settings

    @property
    def sync_window(self) -> timedelta:
        """The sync window as it was last read, without waiting for the database."""
        return (self._snapshot.last.settings if self._snapshot.last is not None else self._defaults).sync_response

    async def ingest_password(self) -> StoredPassword | None:
        """The ingest password's stored form, at most a second old; QueueUnavailable."""
        return (await self._snapshot.get()).ingest_password

    async def describe(self) -> dict[str, Any]:
        """The public part of the settings as they are now, in the units of their names; QueueUnavailable.

        `stored` lists the names that an administrator has set; `version` is what a change may expect.
        """
        stored, password, keys = await self._read_all()
        return self._description(stored, password, keys)

    async def change(self, document: Mapping[str, Any], *, expected_version: int | None, by: Actor) -> dict[str, Any]:
        """Change what the document names: all of it or nothing. Returns what `describe` returns afterwards.

        The document has the names of `describe`, with secrets in clear text. None resets a setting to the configured
        default, a provider's limits to those that it declares, and removes a provider's stored key. Without an
        expected version, concurrent changes of other settings are kept. InvalidSettings names everything that is
        wrong; VersionConflict, SecretKeyUnavailable, QueueUnavailable.
        """
        stored = await self._repository.get()
        _require_version(stored, expected_version)
        rest = dict(document)
        remote = {provider.info.id for provider in self._providers.all() if not provider.info.on_this_machine}
        new_keys, key_errors = read_keys(rest.pop("provider_keys", {}), providers=remote)
        change, errors = read_change(rest, providers=remote, limited=stored.provider_limits or {})
        refuse([*errors, *key_errors])
        password: StoredPassword | None = None
        if change.ingest_password is not None:
            password = await self._passwords.make(change.ingest_password, at=self._clock.now(), by=by.name)
        keys = await self._keys.prepare(new_keys, by=by)
        return await self._store(change, password, keys, expected_version=expected_version, by=by)

    async def limit_provider(self, provider_id: str, limit: ProviderLimit | None, *, by: Actor) -> None:
        """Replace the limits that a provider declares; None restores them. QueueUnavailable."""
        change = SettingsChange(provider_limits={provider_id: limit})
        await self._store(change, None, (), expected_version=None, by=by)

    async def ensure_ingest_password(self, initial: str | None) -> str | None:
        """Set the ingest password at the first start: to `initial`, else to a generated one.

        Returns a generated password, once, for the operator, also by a call after one whose reply was lost; None where
        one is already set or `initial` was given.
        """
        if (known := await self._repository.ingest_password()) is not None:
            made, self._unconfirmed = self._unconfirmed, None
            return made[1] if made is not None and made[0] == known.hash else None
        password = initial or secrets.token_urlsafe(9)
        own = await self._passwords.make(password, at=self._clock.now(), by=FIRST_START.name)
        self._unconfirmed = None if initial else (own.hash, password)
        stored = await self._repository.add_ingest_password(own)
        self._unconfirmed = None
        self._snapshot.forget()
        return password if initial is None and stored.hash == own.hash else None

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> None:
        """Store another form of the same ingest password, unless it was changed meanwhile. QueueUnavailable."""
        await self._repository.replace_ingest_password(password, expected_hash=expected_hash)
        self._snapshot.forget()

    async def _store(
        self,
        change: SettingsChange,
        password: StoredPassword | None,
        keys: Sequence[KeyChange],
        *,
        expected_version: int | None,
        by: Actor,
    ) -> dict[str, Any]:
        """Write a prepared change in one transaction; on the newest settings again where another writer was faster."""
        while True:
            stored, old_password, states = await self._read_all()
            _require_version(stored, expected_version)
            edited, audit = self._edited(stored, change, by)
            if password is not None:
                audit.append(audit_entry(AuditAction.INGEST_PASSWORD_CHANGED, by, now=self._clock.now()))
            saved: StoredSettings | None = stored
            if audit or keys:
                update = SettingsUpdate(settings=edited, ingest_password=password, keys=tuple(keys), audit=tuple(audit))
                saved = await self._save(update, expected_version=stored.version)
            if saved is not None:
                return self._description(saved, password or old_password, self._keys.states_after(states, keys))

    async def _save(self, update: SettingsUpdate, *, expected_version: int) -> StoredSettings | None:
        try:
            async with self._keys.replacing(update.keys):
                return await self._repository.save(update, expected_version=expected_version)
        finally:
            self._snapshot.forget()

    def _edited(
        self, stored: StoredSettings, change: SettingsChange, by: Actor
    ) -> tuple[StoredSettings, list[AuditEntry]]:
        """The document after the change, and the entries for what differs."""
        now = self._clock.now()
        audit: list[AuditEntry] = []
        fields = {
            name: [shown(name, getattr(stored, field)), shown(name, change.fields[field])]
            for name, (field, _) in UNITS.items()
            if field in change.fields and change.fields[field] != getattr(stored, field)
        }
        if fields:
            audit.append(audit_entry(AuditAction.SETTINGS_CHANGED, by, now=now, changed=fields))
        before = stored.provider_limits or {}
        limits = {
            provider_id: msgspec.to_builtins([before.get(provider_id), limit])
            for provider_id, limit in change.provider_limits.items()
            if limit != before.get(provider_id)
        }
        if limits:
            target = next(iter(limits)) if len(limits) == 1 else None
            audit.append(audit_entry(AuditAction.PROVIDER_LIMITS_CHANGED, by, now=now, target=target, changed=limits))
        after = {id: limit for id, limit in {**before, **change.provider_limits}.items() if limit is not None}
        return msgspec.structs.replace(stored, **change.fields, provider_limits=after or None), audit

    def _description(
        self, stored: StoredSettings, password: StoredPassword | None, keys: Mapping[str, KeyState]
    ) -> dict[str, Any]:
        current = stored.over(self._defaults)
        return {
            **{name: shown(name, getattr(current, field)) for name, (field, _) in UNITS.items()},
            "stored": [name for name, (field, _) in UNITS.items() if getattr(stored, field) is not None],
            "provider_limits": msgspec.to_builtins(current.provider_limits),
            "provider_keys": keys,
            "ingest_password": password and {"changed_at": password.changed_at, "changed_by": password.changed_by},
            "version": stored.version,
        }

    async def _read_all(self) -> tuple[StoredSettings, StoredPassword | None, dict[str, KeyState]]:
        return await asyncio.gather(self._repository.get(), self._repository.ingest_password(), self._keys.states())

    async def _read(self) -> _Snapshot:
        stored, password = await asyncio.gather(self._repository.get(), self._repository.ingest_password())
        return _Snapshot(stored.over(self._defaults), password)


def _require_version(stored: StoredSettings, expected: int | None) -> None:
    if expected is not None and expected != stored.version:
        raise VersionConflict("The settings have been modified. Reload them and try again.")
