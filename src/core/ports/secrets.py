"""Secrets at rest: the box that seals them, and the repositories of sealed secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from ..domain.audit import AuditEntry
from ..domain.errors import PhotoChangerError

MIN_SECRET_CHARS = 32
"""Minimum length of the secret that seals others."""


class SealBroken(PhotoChangerError):
    """The text is not sealed, was changed, or was sealed with another secret or for another purpose."""

    code = "seal_broken"


class SecretKeyUnavailable(PhotoChangerError):
    """The secret that seals can be neither read nor created."""

    code = "secret_key_unavailable"


class SecretBox(Protocol):
    """Authenticated encryption and keyed digests of short texts. Neither `repr` nor errors reveal the secret.

    `purpose` names the text (such as `provider key gemini`) and must be the same for sealing and opening, so that one
    sealed text cannot replace another. The first call may read a file; callers on an event loop use a thread.
    """

    def seal(self, plain: str, *, purpose: str) -> str:
        """Encrypt the text to ASCII, differently on each call. SecretKeyUnavailable."""
        ...

    def open(self, sealed: str, *, purpose: str) -> str:
        """Decrypt a sealed text. SealBroken, SecretKeyUnavailable."""
        ...

    def digest(self, text: str, *, purpose: str) -> bytes:
        """A keyed digest of 32 bytes, the same on each call, that reveals nothing without the secret.
        SecretKeyUnavailable."""
        ...


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed key of a provider, when it was set and by whom."""

    provider_id: str
    sealed: str
    changed_at: datetime
    changed_by: str

    def __repr__(self) -> str:
        return f"StoredSecret({self.provider_id}, set {self.changed_at} by {self.changed_by})"


class SecretState(msgspec.Struct, frozen=True, kw_only=True):
    """The public part of a StoredSecret."""

    provider_id: str
    changed_at: datetime
    changed_by: str


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's key to store, or (None) to remove. The entry is written if that changes what is stored."""

    provider_id: str
    secret: StoredSecret | None
    audit: AuditEntry | None = None


class SecretRepository(Protocol):
    """The sealed keys of providers, one each. Every method may raise QueueUnavailable."""

    async def get(self, provider_id: str) -> StoredSecret | None: ...

    async def states(self) -> list[SecretState]:
        """The public part of every stored key, by provider id."""
        ...

    async def change(self, change: KeyChange) -> bool:
        """Store or remove a key; False, and no audit entry, where there was none to remove."""
        ...


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed secret that access tokens are signed with; after `retired_at` it only verifies."""

    id: str
    sealed: str
    created_at: datetime
    retired_at: datetime | None = None

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"


class SigningKeyRepository(Protocol):
    """The signing keys; at most one of them is not retired. Every method may raise QueueUnavailable."""

    async def all(self) -> list[SigningKey]:
        """Every key, newest first."""
        ...

    async def add_first(self, key: SigningKey) -> None:
        """Store this key if every stored one is retired; do nothing otherwise (another process was first)."""
        ...

    async def rotate(self, key: SigningKey, *, retired_after: datetime | None, audit: AuditEntry | None = None) -> None:
        """Store this key, retire the others at its `created_at`, and remove those not retired after `retired_after`.

        None removes every other key, so that its tokens are revoked.
        """
        ...


class SecretKeyRecord(Protocol):
    """The fingerprint of the secret key that all hosts of a database use. Methods may raise QueueUnavailable."""

    async def fingerprint(self) -> str | None:
        """The stored fingerprint; None before the first host has stored its own."""
        ...

    async def add_first(self, fingerprint: str) -> str:
        """Store this fingerprint if there is none; return the stored one, which may be that of another host."""
        ...

    async def replace(self, fingerprint: str, *, audit: AuditEntry) -> None:
        """Store this fingerprint in place of any other, together with the entry."""
        ...
