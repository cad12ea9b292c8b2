"""The settings that apply right now, read at most once a second however many requests ask, and how they change."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from ...domain.accounts import FIRST_START, Actor
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import VersionConflict
from ...domain.field_errors import FieldError
from ...domain.provider_usage import ProviderLimit
from ...domain.settings import AppSettings, StoredPassword, StoredSettings
from ...domain.validation import refuse
from ...ports.accounts import PasswordHasher
from ...ports.clock import Clock
from ...ports.settings_repository import SettingsRepository
from ..providers.registry import ProviderRegistry
from ..support.refreshing_value import RefreshingValue
from .validation import UNITS, read_change, shown

_Edit = Callable[[StoredSettings], tuple[StoredSettings, AuditEntry | None]]


class _Snapshot(msgspec.Struct, frozen=True):
    settings: AppSettings
    ingest_password: StoredPassword | None


class SettingsService:
    """Configured defaults with what an administrator has set over them."""

    def __init__(
        self,
        repository: SettingsRepository,
        hasher: PasswordHasher,
        providers: ProviderRegistry,
        clock: Clock,
        *,
        defaults: AppSettings,
    ) -> None:
        self._repository = repository
        self._hasher = hasher
        self._providers = providers
        self._clock = clock
        self._defaults = defaults
        self._snapshot = RefreshingValue(self._read, clock, what="the settings")

    async def current(self) -> AppSettings:
        """The settings, at most a second old; QueueUnavailable."""
        return (await self._snapshot.get()).settings

    async def ingest_password(self) -> StoredPassword | None:
        """The ingest password's stored form, at most a second old; QueueUnavailable."""
        return (await self._snapshot.get()).ingest_password

    async def describe(self) -> dict[str, Any]:
        """What may be shown of the settings as they are this moment, in the units of their names; QueueUnavailable.

        `stored` are the names of those that an administrator has set, `version` is what a change may expect.
        """
        stored, password = await asyncio.gather(self._repository.get(), self._repository.ingest_password())
        holds = stored.over(self._defaults)
        return {
            **{name: shown(name, getattr(holds, field)) for name, (field, _) in UNITS.items()},
            "stored": [name for name, (field, _) in UNITS.items() if getattr(stored, field) is not None],
            "provider_limits": msgspec.to_builtins(holds.provider_limits),
            "ingest_password": password and {"changed_at": password.changed_at, "changed_by": password.changed_by},
            "version": stored.version,
        }

    async def change(
        self,
        document: Mapping[str, Any],
        *,
        expected_version: int | None,
        by: Actor,
        beside: Collection[FieldError] = (),
    ) -> bool:
        """Change what the document names (see `describe`, with `ingest_password` as the new one's text); whether that
        made another version.

        A setting that is None goes back to the configured default, a provider's limits to what it declares itself.
        Without a version that is expected, what others change meanwhile is kept beside it. InvalidSettings names
        everything that does not fit, with what was found wrong `beside` the document, and nothing is changed;
        VersionConflict, QueueUnavailable.
        """
        stored = await self._repository.get()
        if expected_version is not None and expected_version != stored.version:
            raise _changed_meanwhile()
        remote = {provider.info.id for provider in self._providers.all() if not provider.info.on_this_machine}
        change, errors = read_change(document, providers=remote, limited=stored.provider_limits or {})
        refuse([*errors, *beside])
        hash = None if change.ingest_password is None else await self._hasher.hash(change.ingest_password)
        try:
            changed = await self._edit(self._settings_edit(change.fields, by), expected_version=expected_version)
            expected = None if changed else expected_version
            changed |= await self._edit(self._limits_edit(change.provider_limits, by), expected_version=expected)
            if hash is not None:
                if not changed:
                    await self.take_version(expected_version)
                await self._set_ingest_password(hash, by)
        finally:
            self._snapshot.forget()
        return changed or hash is not None

    async def take_version(self, expected_version: int | None) -> None:
        """Make the next version for a change that is kept elsewhere, such as a password or a key: of two writers that
        expect the same version one gets it. VersionConflict, QueueUnavailable."""
        while True:
            stored = await self._repository.get()
            if expected_version is not None and expected_version != stored.version:
                raise _changed_meanwhile()
            if await self._repository.save(stored, expected_version=stored.version) is not None:
                return

    async def limit_provider(self, provider_id: str, limit: ProviderLimit | None, *, by: Actor) -> None:
        """Allow this much of a provider, in place of what it declares; None: what it declares. QueueUnavailable."""
        await self._edit(self._limits_edit({provider_id: limit}, by), expected_version=None)
        self._snapshot.forget()

    async def ensure_ingest_password(self, initial: str | None) -> str | None:
        """Set the ingest password at the first start: to `initial`, else to a generated one.

        Returns the generated password for the operator to note, once; None where one is set already or was given.
        """
        if await self._repository.ingest_password() is not None:
            return None
        password = initial or secrets.token_urlsafe(9)
        hash = await self._hasher.hash(password)
        mine = StoredPassword(hash, self._clock.now(), FIRST_START.name)
        holds = await self._repository.add_ingest_password(mine)
        self._snapshot.forget()
        return password if initial is None and holds.hash == hash else None

    async def renew_hash(self, password: str, outdated: StoredPassword) -> StoredPassword:
        """Store the same password under today's hash parameters, unless it was changed meanwhile."""
        renewed = msgspec.structs.replace(outdated, hash=await self._hasher.hash(password))
        replaced = await self._repository.replace_ingest_password(renewed, expected_hash=outdated.hash)
        self._snapshot.forget()
        return renewed if replaced else outdated

    async def _edit(self, edit: _Edit, *, expected_version: int | None) -> bool:
        """Store what `edit` makes of the settings; anew from the newest where somebody else was faster.

        False where that changes nothing. VersionConflict where a version is expected and theirs is another.
        """
        while True:
            stored = await self._repository.get()
            if expected_version is not None and expected_version != stored.version:
                raise _changed_meanwhile()
            edited, audit = edit(stored)
            if audit is None:
                return False
            if await self._repository.save(edited, expected_version=stored.version, audit=audit) is not None:
                return True

    def _settings_edit(self, fields: Mapping[str, Any], by: Actor) -> _Edit:
        def edit(stored: StoredSettings) -> tuple[StoredSettings, AuditEntry | None]:
            changed = {
                name: [shown(name, getattr(stored, field)), shown(name, fields[field])]
                for name, (field, _) in UNITS.items()
                if field in fields and fields[field] != getattr(stored, field)
            }
            audit = audit_entry(AuditAction.SETTINGS_CHANGED, by, now=self._clock.now(), changed=changed)
            return msgspec.structs.replace(stored, **fields), audit if changed else None

        return edit

    def _limits_edit(self, limits: Mapping[str, ProviderLimit | None], by: Actor) -> _Edit:
        def edit(stored: StoredSettings) -> tuple[StoredSettings, AuditEntry | None]:
            before = stored.provider_limits or {}
            changed = {
                provider_id: msgspec.to_builtins([before.get(provider_id), limit])
                for provider_id, limit in limits.items()
                if limit != before.get(provider_id)
            }
            now = self._clock.now()
            target = next(iter(changed)) if len(changed) == 1 else None
            audit = audit_entry(AuditAction.PROVIDER_LIMITS_CHANGED, by, now=now, target=target, changed=changed)
            after = {provider_id: limit for provider_id, limit in {**before, **limits}.items() if limit is not None}
            return msgspec.structs.replace(stored, provider_limits=after or None), audit if changed else None

        return edit

    async def _set_ingest_password(self, hash: str, by: Actor) -> None:
        now = self._clock.now()
        audit = audit_entry(AuditAction.INGEST_PASSWORD_CHANGED, by, now=now)
        await self._repository.set_ingest_password(StoredPassword(hash, now, by.name), audit=audit)

    async def _read(self) -> _Snapshot:
        stored, password = await asyncio.gather(self._repository.get(), self._repository.ingest_password())
        return _Snapshot(stored.over(self._defaults), password)


def _changed_meanwhile() -> VersionConflict:
    return VersionConflict("Somebody changed the settings since they were read; read them again.")
