"""Who may come in: for now, the ingest password of the cameras."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets

from ..errors import InvalidPassword
from ..people import Throttle
from ..ports.clock import Clock
from ..ports.security import PasswordHasher
from ..settings import StoredPassword
from .settings_service import SettingsService

_MAX_PASSWORD_CHARS = 1024


class AuthService:
    """Checks the ingest password: the slow hash once, then a keyed digest in constant time, in microseconds."""

    def __init__(self, settings: SettingsService, hasher: PasswordHasher, clock: Clock) -> None:
        self._settings = settings
        self._hasher = hasher
        self._clock = clock
        self._throttle = Throttle()
        self._key = secrets.token_bytes(32)
        self._known: tuple[str, bytes] | None = None
        self._slow = asyncio.Lock()

    def check_throttle(self, address: str) -> None:
        """TooManyAttempts while this address has sent too many wrong passwords."""
        self._throttle.check(address, self._clock.now())

    async def check_ingest_password(self, password: str, *, address: str) -> None:
        """Return if it is the ingest password; InvalidPassword, TooManyAttempts, QueueUnavailable."""
        self.check_throttle(address)
        stored = await self._settings.ingest_password()
        if not self._is_known(password, stored):
            async with self._slow:  # one at a time: a flood of wrong passwords is counted before it costs more
                self.check_throttle(address)
                stored = await self._settings.ingest_password()  # whoever went first may have renewed the hash
                if not self._is_known(password, stored) and not await self._verify(password, stored):
                    self._throttle.failed(address, self._clock.now())
                    raise InvalidPassword("The ingest password is not right.")
        self._throttle.succeeded(address)

    def _is_known(self, password: str, stored: StoredPassword | None) -> bool:
        known = self._known
        return (
            stored is not None
            and known is not None
            and known[0] == stored.hash
            and hmac.compare_digest(known[1], self._digest(password))
        )

    async def _verify(self, password: str, stored: StoredPassword | None) -> bool:
        if stored is None or len(password) > _MAX_PASSWORD_CHARS:
            return False
        if not await self._hasher.verify(password, stored.hash):
            return False
        if self._hasher.is_outdated(stored.hash):
            stored = await self._settings.renew_hash(password, stored)
        self._known = (stored.hash, self._digest(password))
        return True

    def _digest(self, password: str) -> bytes:
        return hmac.new(self._key, password.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
