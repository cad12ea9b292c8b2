"""Stored passwords: a slow hash, and next to it a keyed digest that decides in microseconds.

The digest's key is derived from the service's secret, which is not in the database. So a copy of the database allows no
faster guessing than the slow hash does, and a process that has just started recognises a password at once (ADR 43).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from datetime import datetime

from ...domain.accounts import INGEST_DIGEST_BYTES
from ...domain.settings import StoredPassword
from ...ports.accounts import PasswordHasher
from ...ports.secrets import SecretBox, SecretKeyUnavailable

_log = logging.getLogger("photochanger.passwords")

_VERSION = "v1"
_MARKER_BYTES = 9
"""Length of the part of a digest that shows which hash and which secret it was made with."""


class Passwords:
    """Makes stored passwords and checks them."""

    def __init__(self, hasher: PasswordHasher, box: SecretBox) -> None:
        self._hasher = hasher
        self._box = box
        self._is_loaded = False
        self._is_reported = False

    async def load(self) -> bool:
        """Read the secret, so that no later call waits for a file; False, with a warning in the log, if that fails."""
        if self._is_loaded:
            return True
        try:
            await asyncio.to_thread(self._box.digest, "", purpose="load")
        except SecretKeyUnavailable as error:
            if not self._is_reported:
                _log.warning("passwords are checked by their slow hash only: %s", error.detail)
            self._is_reported = True
            return False
        self._is_loaded = True
        return True

    async def make(self, password: str, *, at: datetime, by: str) -> StoredPassword:
        """An ingest password to store."""
        hash = await self._hasher.hash(password)
        digest = await self.digest(password, hash, size_bytes=INGEST_DIGEST_BYTES)
        return StoredPassword(hash, at, by, digest)

    async def hash(self, password: str) -> str:
        """A new slow hash."""
        return await self._hasher.hash(password)

    async def digest(self, password: str, hash: str, *, size_bytes: int) -> str | None:
        """A digest of the password of this hash; None while the secret cannot be read."""
        if not await self.load():
            return None
        digest = self._digest(password, hash)[:size_bytes]
        return f"{_VERSION}.{_text(self._marker(hash))}.{_text(digest)}"

    async def check(self, password: str, hash: str, digest: str | None) -> bool | None:
        """Whether the digest is of this password. None if it cannot tell: there is none, or it was made for another
        hash or with another secret."""
        if digest is None or not await self.load():
            return None
        return self._checked(password, hash, digest)

    def matches_now(self, password: str, stored: StoredPassword) -> bool:
        """As `check`, without I/O: False also while the secret has not been read."""
        return self._is_loaded and self._checked(password, stored.hash, stored.digest) is True

    async def verify(self, password: str, hash: str) -> bool:
        """Whether the password made this hash; slow."""
        return await self._hasher.verify(password, hash)

    def is_outdated(self, hash: str) -> bool:
        """Whether the hash should be replaced on the next success."""
        return self._hasher.is_outdated(hash)

    def _checked(self, password: str, hash: str, digest: str | None) -> bool | None:
        version, marker, kept = ((digest or "").split(".") + [""] * 3)[:3]
        if version != _VERSION or not kept or not _same(marker, _text(self._marker(hash))):
            return None
        size_bytes = len(kept) * 3 // 4
        return _same(kept, _text(self._digest(password, hash)[:size_bytes]))

    def _marker(self, hash: str) -> bytes:
        return self._box.digest(hash, purpose="password marker")[:_MARKER_BYTES]

    def _digest(self, password: str, hash: str) -> bytes:
        return self._box.digest(f"{len(hash)} {hash} {password}", purpose="password digest")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
