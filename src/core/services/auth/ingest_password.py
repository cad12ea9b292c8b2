"""The ingest passwords, which authorize cameras to send photos: the service's, and the own ones of slots."""

from __future__ import annotations

import logging

import msgspec

from ...domain.accounts import INGEST_DIGEST_BYTES, MAX_PASSWORD_CHARS, Actor, camera_keys
from ...domain.audit import AuditAction
from ...domain.booths.ingest_key import IngestKey
from ...domain.errors import InvalidPassword, QueueUnavailable
from ...domain.settings import StoredPassword
from ...domain.slots.slot import Slot
from ...ports.repositories.slot_repository import SlotRepository
from ..settings.service import SettingsService
from ..support.concurrency import BackgroundTasks
from ..support.passwords import Passwords
from .attempts import Attempts
from .ingest_keys import IngestKeys
from .verdicts import Verdicts
from .waiting_line import WaitingLine

_log = logging.getLogger("photochanger.ingest_password")

_CAMERA = "camera"
"""Actor of failed ingest passwords in the audit log: cameras have no names."""

_MAX_WAITING = 64
_MAX_SHARE = 16
"""Places for the slow hash, which only an imported password needs: in all, and for the cameras of one address."""


class AuthService:
    """Checks ingest passwords by their keyed digest, in microseconds and before anything that others can exhaust.

    The slow hash is needed once, for a hash without a usable digest (imported, or of another secret key); a digest is
    stored then.
    """

    def __init__(
        self,
        settings: SettingsService,
        slots: SlotRepository,
        passwords: Passwords,
        attempts: Attempts,
        keys: IngestKeys,
    ) -> None:
        self._settings = settings
        self._slots = slots
        self._passwords = passwords
        self._attempts = attempts
        self._keys = keys
        self._verdicts = Verdicts()
        self._expected: dict[str, StoredPassword] = {}
        self._general: StoredPassword | None = None
        self._line = WaitingLine(size=_MAX_WAITING, share=_MAX_SHARE)
        self._renewals = BackgroundTasks()
        self._renewing: set[str] = set()

    async def expect(self, slot: Slot) -> None:
        """Prepare for a form sent to this slot, so that `was_right` recognises passwords in it. QueueUnavailable."""
        await self._passwords.load()
        await self._stored(slot)
        self._general = await self._settings.ingest_password()

    async def check_ingest_password(self, password: str, *, slot: Slot, address: str) -> IngestKey | None:
        """Return if it is the slot's ingest password, or the ingest key of a booth, which is returned.

        A slot with a password of its own accepts only that, and keys. InvalidPassword, QueueUnavailable, and
        TooManyAttempts, which never concerns a right password or key, except where an imported hash is checked for the
        first time and the waiting line is full.
        """
        if (key := await self._keys.find(password)) is not None:
            self._attempts.succeeded(address)
            self._keys.note_use(key, slot_id=slot.id, address=address)
            return key
        stored = await self._stored(slot)
        right = await self._decided(password, stored)
        if right is None:
            right = await self._decide(password, slot, address)
        elif right and stored is not None:
            self._renew_outdated(password, slot, stored)
        if right:
            self._attempts.succeeded(address)
            return None
        await self.missing_password(address)
        raise InvalidPassword("The ingest password is wrong.")

    async def missing_password(self, address: str) -> None:
        """Count a form without a right password as a failure of its address. TooManyAttempts, QueueUnavailable."""
        by = Actor(_CAMERA, address)
        refused = await self._attempts.failed(camera_keys(address), AuditAction.INGEST_PASSWORD_FAILED, by)
        if refused is not None:
            raise refused

    def was_right(self, text: str, slot_id: str) -> bool:
        """Whether the text is an ingest key, or the slot's or the service's ingest password, as `expect` found them, to
        keep it out of what is shown. No I/O."""
        return self.is_key(text) or any(
            self._passwords.matches_now(text, stored) or self._verdicts.of(text, stored.hash) is True
            for stored in (self._expected.get(slot_id), self._general)
            if stored is not None
        )

    def is_key(self, text: str) -> bool:
        """Whether the text is the key of a booth, as far as this process has read them. No I/O."""
        return self._keys.find_now(text) is not None

    async def close(self) -> None:
        """Stop."""
        await self._renewals.cancel()

    async def _stored(self, slot: Slot) -> StoredPassword | None:
        stored = slot.ingest_password or await self._settings.ingest_password()
        if stored is not None:
            self._expected[slot.id] = stored
        return stored

    async def _decided(self, password: str, stored: StoredPassword | None) -> bool | None:
        """What the digest says; None if the slow hash must decide."""
        if stored is None or len(password) > MAX_PASSWORD_CHARS:
            return False
        verdict = self._verdicts.of(password, stored.hash)
        return verdict if verdict is not None else await self._passwords.check(password, stored.hash, stored.digest)

    async def _decide(self, password: str, slot: Slot, address: str) -> bool:
        blocked = await self._attempts.is_blocked(camera_keys(address))
        known = self._attempts.is_known(address)
        async with self._line.turn(address, preferred=known, share=1 if blocked else None):
            slot = await self._slots.get(slot.id)
            stored = await self._stored(slot)  # another request may have stored the digest
            right = await self._decided(password, stored)
            if right is not None or stored is None:
                return bool(right)
            if not await self._passwords.verify(password, stored.hash):
                self._verdicts.note_wrong(password, stored.hash)
                return False
            self._verdicts.note_right(password, stored.hash)
            await self._renew(password, slot, stored)
            return True

    def _renew_outdated(self, password: str, slot: Slot, stored: StoredPassword) -> None:
        """Replace an outdated slow hash in the background: the camera does not wait for it."""
        if stored.hash not in self._renewing and self._passwords.is_outdated(stored.hash):
            self._renewing.add(stored.hash)
            self._renewals.start(self._renew(password, slot, stored), name="renewing the hash of an ingest password")

    async def _renew(self, password: str, slot: Slot, old: StoredPassword) -> None:
        """Store a digest, and today's slow hash in place of an outdated one, unless the password was changed."""
        hash = await self._passwords.hash(password) if self._passwords.is_outdated(old.hash) else old.hash
        digest = await self._passwords.digest(password, hash, size_bytes=INGEST_DIGEST_BYTES)
        new = msgspec.structs.replace(old, hash=hash, digest=digest)
        if new == old:
            return
        self._verdicts.note_right(password, hash)
        try:
            if slot.ingest_password is not None:
                await self._slots.replace_ingest_password(slot.id, new, expected_hash=old.hash)
            else:
                await self._settings.replace_ingest_password(new, expected_hash=old.hash)
        except QueueUnavailable as error:  # this process remembers its verdict
            _log.warning("storing the digest of an ingest password failed: %s", error.detail)
