"""The signing keys of access tokens: created when first needed, sealed at rest, rotated without ending sessions."""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import datetime, timedelta

import msgspec

from ...domain.accounts import TOKEN_LIFE, Actor
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.errors import InvalidToken
from ...ports.clock import Clock
from ...ports.secrets import SealBroken, SecretBox, SigningKey, SigningKeyRepository
from ..support.refreshing_value import MAX_AGE, RefreshingValue

_log = logging.getLogger("photochanger.signing_keys")

_SECRET_BYTES = 32
_SERVICE = Actor("service")
"""The actor in the audit log when a key that cannot be decrypted is replaced."""


class _Key(msgspec.Struct, frozen=True):
    """A key with its decrypted secret."""

    id: str
    secret: bytes
    retired_at: datetime | None

    def __repr__(self) -> str:
        return f"_Key({self.id})"

    def verifies(self, now: datetime) -> bool:
        """Whether tokens signed with it may still be valid: the last one was issued when it was retired."""
        return self.retired_at is None or now < self.retired_at + TOKEN_LIFE


class SigningKeys:
    """Keys for new and issued tokens. A change takes effect in this process immediately, in others within a second.

    Methods may raise QueueUnavailable and SecretKeyUnavailable.
    """

    def __init__(self, repository: SigningKeyRepository, box: SecretBox, clock: Clock) -> None:
        self._repository = repository
        self._box = box
        self._clock = clock
        self._keys = RefreshingValue(self._read, clock, what="the signing keys")
        self._opened: dict[tuple[str, str], bytes | None] = {}
        self._making = asyncio.Lock()
        self._searched_at: timedelta | None = None

    def __repr__(self) -> str:
        return "SigningKeys()"

    async def current(self) -> tuple[str, bytes]:
        """Id and secret of the current key, which is created if there is none."""
        key = _current(await self._keys.get())
        if key is None:
            async with self._making:
                key = _current(await self._keys.get()) or await self._make()
        return key.id, key.secret

    async def secret(self, key_id: str) -> bytes:
        """The secret of the key with this id. InvalidToken for an unknown key, or one whose tokens have all expired."""
        key = (await self._keys.get()).get(key_id)
        if key is None and self._may_search():
            self._keys.forget()
            key = (await self._keys.get()).get(key_id)
        if key is None or not key.verifies(self._clock.now()):
            raise InvalidToken("The access token is invalid or its signing key has expired; sign in again.")
        return key.secret

    async def rotate(self, *, by: Actor) -> str:
        """Sign with a new key from now on; issued tokens stay valid until they expire. The id of the new key."""
        return await self._replace(by, retired_after=self._clock.now() - TOKEN_LIFE)

    async def revoke(self, *, by: Actor) -> str:
        """Sign with a new key from now on and revoke every issued token. The id of the new key."""
        return await self._replace(by, retired_after=None, revoked=True)

    async def _replace(self, by: Actor, *, retired_after: datetime | None, **detail: object) -> str:
        key, _ = await self._new()
        audit = _audited(key, by, now=self._clock.now(), **detail)
        await self._repository.rotate(key, retired_after=retired_after, audit=audit)
        self._keys.forget()
        return key.id

    async def _make(self) -> _Key:
        """Create a key: the first one, or one that replaces a key that cannot be decrypted."""
        made, opened = await self._new()
        await self._repository.add_first(made)
        self._keys.forget()
        if (key := _current(await self._keys.get())) is None:
            _log.warning(
                "signing key replaced: cannot decrypt it, because PHOTOCHANGER_SECRET_KEY has changed;"
                " all administrators must sign in again"
            )
            audit = _audited(made, _SERVICE, now=self._clock.now(), reason="key_unreadable")
            await self._repository.rotate(made, retired_after=self._clock.now() - TOKEN_LIFE, audit=audit)
            self._keys.forget()
            key = _current(await self._keys.get())
        return key or opened

    async def _new(self) -> tuple[SigningKey, _Key]:
        key_id = secrets.token_hex(4)
        secret = secrets.token_bytes(_SECRET_BYTES)
        sealed = await asyncio.to_thread(self._box.seal, secret.hex(), purpose=_purpose(key_id))
        key = SigningKey(id=key_id, sealed=sealed, created_at=self._clock.now())
        return key, _Key(key_id, secret, None)

    def _may_search(self) -> bool:
        """Whether to look for an unknown key again: another process may have created it just now. Limited to a few
        times a second, since anyone can send a token with an invented id."""
        now = self._clock.monotonic()
        if self._searched_at is not None and now - self._searched_at < MAX_AGE / 4:
            return False
        self._searched_at = now
        return True

    async def _read(self) -> dict[str, _Key]:
        """Every key that can be decrypted, newest first."""
        stored = await self._repository.all()
        names = {(key.id, key.sealed) for key in stored}
        self._opened = {name: secret for name, secret in self._opened.items() if name in names}
        opened = [await self._opened_key(key) for key in stored]
        return {key.id: key for key in opened if key is not None}

    async def _opened_key(self, key: SigningKey) -> _Key | None:
        name = (key.id, key.sealed)
        if name not in self._opened:
            self._opened[name] = await asyncio.to_thread(self._open, key)
        secret = self._opened[name]
        return None if secret is None else _Key(key.id, secret, key.retired_at)

    def _open(self, key: SigningKey) -> bytes | None:
        try:
            return bytes.fromhex(self._box.open(key.sealed, purpose=_purpose(key.id)))
        except SealBroken:
            _log.warning("cannot decrypt signing key %s: its tokens are invalid", key.id)
            return None


def opens(key: SigningKey, box: SecretBox) -> bool:
    """Whether the key can be decrypted with this secret; blocks. SecretKeyUnavailable."""
    try:
        box.open(key.sealed, purpose=_purpose(key.id))
    except SealBroken:
        return False
    return True


def _current(keys: dict[str, _Key]) -> _Key | None:
    return next((key for key in keys.values() if key.retired_at is None), None)


def _audited(key: SigningKey, by: Actor, *, now: datetime, **detail: object) -> AuditEntry:
    return audit_entry(AuditAction.SIGNING_KEY_ROTATED, by, now=now, target=key.id, **detail)


def _purpose(key_id: str) -> str:
    """The purpose that a sealed key is bound to, so that it cannot be stored under another id."""
    return f"signing key {key_id}"
