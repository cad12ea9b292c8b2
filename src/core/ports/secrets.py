"""Secrets at rest: the box that seals them, and where the sealed ones are kept."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

import msgspec

from ..domain.audit import AuditEntry
from ..domain.errors import PhotoChangerError

MIN_SECRET_CHARS = 32
"""A secret that seals others is at least this long."""


class SealBroken(PhotoChangerError):
    """A sealed text was made with another secret or for another purpose, was changed since, or is none at all."""

    code = "seal_broken"


class SecretKeyUnavailable(PhotoChangerError):
    """The secret that seals can neither be read nor made."""

    code = "secret_key_unavailable"


class SecretBox(Protocol):
    """Authenticated encryption of short texts. Nothing of its secret is in `repr` or in an error.

    `purpose` says what the text is (such as `provider key gemini`) and has to be the same again: one sealed text
    cannot stand in another's place. The first call may read a file; callers on an event loop use a thread.
    """

    def seal(self, plain: str, *, purpose: str) -> str:
        """The text as ASCII that only `open` can read; another one each time. SecretKeyUnavailable."""
        ...

    def open(self, sealed: str, *, purpose: str) -> str:
        """What was sealed. SealBroken, SecretKeyUnavailable."""
        ...


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The key of a provider as it is kept: sealed, with when and by whom it was set."""

    provider_id: str
    sealed: str
    changed_at: datetime
    changed_by: str

    def __repr__(self) -> str:
        return f"StoredSecret({self.provider_id}, set {self.changed_at} by {self.changed_by})"


class SecretState(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of a StoredSecret."""

    provider_id: str
    changed_at: datetime
    changed_by: str


class SecretRepository(Protocol):
    """The sealed keys of providers, one each. Every method may raise QueueUnavailable."""

    async def get(self, provider_id: str) -> StoredSecret | None: ...

    async def states(self) -> list[SecretState]:
        """Whose secrets are kept, by provider id; without the secrets."""
        ...

    async def put(self, secret: StoredSecret, *, audit: AuditEntry | None = None) -> None:
        """Keep this one, in place of the one that was there; the audit entry with it."""
        ...

    async def remove(self, provider_id: str, *, audit: AuditEntry | None = None) -> bool:
        """Forget it, and write the audit entry; False, and no entry, where there was none."""
        ...


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed secret that access tokens are signed with. `retired_at`: none is signed with it any more."""

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
        """Keep this key if none is there that is not retired; nothing otherwise (another process was first)."""
        ...

    async def rotate(self, key: SigningKey, *, audit: AuditEntry | None = None) -> None:
        """Keep this key and retire the others, at its `created_at`."""
        ...

    async def remove(self, key_ids: Collection[str]) -> None:
        """Forget these keys: their tokens hold no more."""
        ...
