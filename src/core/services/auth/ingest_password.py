"""The ingest password, which authorizes cameras to send photos."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets

from ...domain.accounts import MAX_PASSWORD_CHARS, Actor, camera_key
from ...domain.audit import AuditAction, audit_entry
from ...domain.errors import InvalidPassword
from ...domain.settings import StoredPassword
from ...ports.accounts import PasswordHasher
from ...ports.clock import Clock
from ...ports.repositories.audit_log import AuditLog
from ..settings.service import SettingsService
from .login_throttle import LoginThrottle

_CAMERA = "camera"
"""Actor of failed ingest passwords in the audit log: cameras have no names."""


class AuthService:
    """Checks the ingest password: the slow hash once, then a keyed digest in constant time, in microseconds."""

    def __init__(
        self, settings: SettingsService, throttle: LoginThrottle, hasher: PasswordHasher, audit: AuditLog, clock: Clock
    ) -> None:
        self._settings = settings
        self._throttle = throttle
        self._hasher = hasher
        self._audit = audit
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._known: tuple[str, bytes] | None = None
        self._slow = asyncio.Lock()

    async def check_throttle(self, address: str) -> None:
        """TooManyAttempts while this address has sent too many wrong passwords; QueueUnavailable."""
        await self._throttle.check((camera_key(address),))

    async def check_ingest_password(self, password: str, *, address: str) -> None:
        """Return if it is the ingest password; InvalidPassword, TooManyAttempts, QueueUnavailable."""
        keys = (camera_key(address),)
        await self._throttle.check(keys)
        stored = await self._settings.ingest_password()
        if not self._is_known(password, stored):
            async with self._slow:  # one at a time: a flood of wrong passwords is counted before it costs more
                await self._throttle.check_now(keys)
                stored = await self._settings.ingest_password()  # another request may have renewed the hash
                if not self._is_known(password, stored) and not await self._verify(password, stored):
                    await self._throttle.failed(keys)
                    await self._record_failure(address)
                    raise InvalidPassword("The ingest password is wrong.")
        await self._throttle.succeeded(keys)

    async def missing_password(self, address: str) -> None:
        """Count a form without a password as a failure of its address; QueueUnavailable."""
        await self._throttle.failed((camera_key(address),))
        await self._record_failure(address)

    def was_right(self, text: str) -> bool:
        """Whether the text is the ingest password last accepted by this process, to keep it out of what is shown.
        No I/O."""
        return self._known is not None and hmac.compare_digest(self._known[1], self._digest(text))

    def _is_known(self, password: str, stored: StoredPassword | None) -> bool:
        known = self._known
        return (
            stored is not None
            and known is not None
            and known[0] == stored.hash
            and hmac.compare_digest(known[1], self._digest(password))
        )

    async def _verify(self, password: str, stored: StoredPassword | None) -> bool:
        if stored is None or len(password) > MAX_PASSWORD_CHARS:
            return False
        if not await self._hasher.verify(password, stored.hash):
            return False
        if self._hasher.is_outdated(stored.hash):
            stored = await self._settings.renew_hash(password, stored)
        self._known = (stored.hash, self._digest(password))
        return True

    async def _record_failure(self, address: str) -> None:
        by = Actor(_CAMERA, address)
        await self._audit.append(audit_entry(AuditAction.INGEST_PASSWORD_FAILED, by, now=self._clock.now()))

    def _digest(self, password: str) -> bytes:
        return hmac.new(self._key, password.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
