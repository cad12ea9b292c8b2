"""Ingest keys as administrators manage them and as requests are checked against them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...domain.booths.errors import IngestKeyNotFound
from ...domain.booths.ingest_key import MAX_KEYS, MAX_NAME_CHARS, IngestKey, KeyUse, digest_of, is_key_like, new_key
from ...domain.errors import InvalidSettings, QueueUnavailable
from ...domain.field_errors import FieldError, FieldErrorCode
from ...domain.ids import new_id
from ...ports.clock import Clock
from ...ports.repositories.ingest_keys import IngestKeyRepository
from ..support.concurrency import BackgroundTasks
from ..support.refreshing_value import RefreshingValue

_log = logging.getLogger("photochanger.ingest_keys")

USES_INTERVAL = timedelta(seconds=5)
"""How long uses are collected before they are stored."""


class IngestKeys:
    """Keys of booths. A change in another process is seen within a second; during an outage the last known ones count.

    Methods may raise QueueUnavailable.
    """

    def __init__(self, keys: IngestKeyRepository, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._known = RefreshingValue(self._read, clock, what="the ingest keys")
        self._uses: dict[UUID, KeyUse] = {}
        self._storing = BackgroundTasks()

    async def all(self) -> list[IngestKey]:
        """Return the keys by name, with their last uses."""
        return await self._keys.all()

    async def add(self, name: str, *, by: Actor) -> tuple[IngestKey, str]:
        """Make a key for a booth; returns the key itself too, which is not stored.

        InvalidSettings, IngestKeyExists, TooManyIngestKeys.
        """
        given, name = name, " ".join(name.split())
        if not name or len(given) > MAX_NAME_CHARS or not name.isprintable():
            error = FieldError("name", FieldErrorCode.NAME_FORMAT, {"max": MAX_NAME_CHARS})
            raise InvalidSettings([error])
        now, secret = self._clock.now(), new_key()
        key = IngestKey(id=new_id(now), name=name, digest=digest_of(secret), created_at=now, created_by=by.name)
        entry = audit_entry(AuditAction.INGEST_KEY_ADDED, by, now=now, target=name)
        await self._keys.add(key, max_keys=MAX_KEYS, audit=entry)
        self._known.forget()
        return key, secret

    async def revoke(self, key_id: UUID, *, by: Actor) -> None:
        """Delete a key: requests with it are refused. IngestKeyNotFound."""
        key = next((key for key in await self._keys.all() if key.id == key_id), None)
        if key is not None:
            entry = audit_entry(AuditAction.INGEST_KEY_REVOKED, by, now=self._clock.now(), target=key.name)
            if await self._keys.remove(key_id, audit=entry):
                self._known.forget()
                return
        raise IngestKeyNotFound("There is no such ingest key.")

    async def find(self, text: str) -> IngestKey | None:
        """Return the key that this text is, if it is one."""
        if not is_key_like(text):
            return None
        return (await self._known.last_known()).get(digest_of(text))

    def find_now(self, text: str) -> IngestKey | None:
        """Return the key that this text is, as far as this process has read the keys. No I/O."""
        if not is_key_like(text):
            return None
        return (self._known.last or {}).get(digest_of(text))

    def note_use(self, key: IngestKey, *, slot_id: str, address: str) -> None:
        """Remember a request with a key; it is stored in the background, a few seconds later."""
        self._uses[key.id] = KeyUse(at=self._clock.now(), slot_id=slot_id, address=address)
        if not self._storing:
            self._storing.start(self._store_later(), name="last uses of ingest keys")

    async def close(self) -> None:
        """Store what is collected, and stop."""
        await self._storing.cancel()
        await self._store()

    async def _read(self) -> Mapping[str, IngestKey]:
        return {key.digest: key for key in await self._keys.all()}

    async def _store_later(self) -> None:
        await self._clock.sleep(USES_INTERVAL)
        await self._store()

    async def _store(self) -> None:
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            await self._keys.note_uses(uses)
        except QueueUnavailable as error:
            _log.info("storing the last uses of ingest keys failed: %s", error.detail)
