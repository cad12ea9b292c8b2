"""The settings that apply right now, read at most once a second however many requests ask."""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import datetime, timedelta

import msgspec

from ..errors import QueueUnavailable
from ..ports.clock import Clock
from ..ports.repositories import SettingsRepository
from ..ports.security import PasswordHasher
from ..providers import ProviderLimit
from ..settings import AppSettings, StoredPassword

_log = logging.getLogger("photochanger.settings")

_MAX_AGE = timedelta(seconds=1)


class _Snapshot(msgspec.Struct, frozen=True):
    read_at: datetime
    settings: AppSettings
    ingest_password: StoredPassword | None


class SettingsService:
    """Configured defaults with what an administrator has set over them."""

    def __init__(
        self, repository: SettingsRepository, hasher: PasswordHasher, clock: Clock, *, defaults: AppSettings
    ) -> None:
        self._repository = repository
        self._hasher = hasher
        self._clock = clock
        self._defaults = defaults
        self._snapshot: _Snapshot | None = None
        self._reading = asyncio.Lock()
        self._ahead: asyncio.Task[None] | None = None

    async def current(self) -> AppSettings:
        """The settings, at most a second old; QueueUnavailable."""
        return (await self._read()).settings

    async def ingest_password(self) -> StoredPassword | None:
        """The ingest password's stored form, at most a second old; QueueUnavailable."""
        return (await self._read()).ingest_password

    async def ensure_ingest_password(self, initial: str | None) -> str | None:
        """Set the ingest password at the first start: to `initial`, else to a generated one.

        Returns the generated password for the operator to note, once; None where one is set already or was given.
        """
        if await self._repository.ingest_password() is not None:
            return None
        password = initial or secrets.token_urlsafe(9)
        hash = await self._hasher.hash(password)
        mine = StoredPassword(hash, self._clock.now(), "first start")
        holds = await self._repository.add_ingest_password(mine)
        self._snapshot = None
        return password if initial is None and holds.hash == hash else None

    async def renew_hash(self, password: str, outdated: StoredPassword) -> StoredPassword:
        """Store the same password under today's hash parameters, unless it was changed meanwhile."""
        renewed = msgspec.structs.replace(outdated, hash=await self._hasher.hash(password))
        replaced = await self._repository.replace_ingest_password(renewed, expected_hash=outdated.hash)
        self._snapshot = None
        return renewed if replaced else outdated

    async def limit_provider(self, provider_id: str, limit: ProviderLimit | None) -> None:
        """Allow this much of a provider, in place of what it declares; None: what it declares. QueueUnavailable."""
        stored = await self._repository.get()
        limits = {id: known for id, known in (stored.provider_limits or {}).items() if id != provider_id}
        if limit is not None:
            limits[provider_id] = limit
        await self._repository.save(msgspec.structs.replace(stored, provider_limits=limits))
        self._snapshot = None

    async def _read(self) -> _Snapshot:
        if (fresh := self._fresh()) is not None:
            reads_ahead = self._ahead is not None and not self._ahead.done()
            if self._clock.now() - fresh.read_at >= _MAX_AGE / 2 and not reads_ahead:
                self._ahead = asyncio.ensure_future(self._read_ahead())
            return fresh
        async with self._reading:
            if (fresh := self._fresh()) is not None:
                return fresh
            return await self._read_now()

    async def _read_ahead(self) -> None:
        """Read anew before the settings are too old, so that on a busy evening no guest waits for that."""
        async with self._reading:
            try:
                await self._read_now()
            except QueueUnavailable as error:
                _log.info("the settings could not be read ahead of time: %s", error.detail)

    async def _read_now(self) -> _Snapshot:
        stored, password = await asyncio.gather(self._repository.get(), self._repository.ingest_password())
        self._snapshot = _Snapshot(self._clock.now(), stored.over(self._defaults), password)
        return self._snapshot

    def _fresh(self) -> _Snapshot | None:
        snapshot = self._snapshot
        return snapshot if snapshot and self._clock.now() - snapshot.read_at < _MAX_AGE else None
