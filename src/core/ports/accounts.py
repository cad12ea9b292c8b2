"""Passwords, tokens, administrators and failed logins, as the core needs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ..domain.accounts import Admin, Identity, Revocations
from ..domain.audit import AuditEntry


class PasswordHasher(Protocol):
    """Slow, salted password hashes. Both methods work off the event loop."""

    async def hash(self, password: str) -> str:
        """A new hash."""
        ...

    async def verify(self, password: str, hash: str) -> bool:
        """Whether the password made this hash (also one with older parameters)."""
        ...

    def is_outdated(self, hash: str) -> bool:
        """Whether the hash was made with weaker parameters than today's and should be replaced on the next success."""
        ...


class TokenIssuer(Protocol):
    """Access tokens: signed identities. No I/O; `secret` is the signing key of that id."""

    def issue(self, identity: Identity, *, key_id: str, secret: bytes) -> str:
        """A token for this identity."""
        ...

    def key_id(self, token: str) -> str:
        """The id of the key that the token claims to be signed with, unverified. InvalidToken."""
        ...

    def verify(self, token: str, *, secret: bytes, now: datetime) -> Identity:
        """The identity, if the token was signed with this secret for this service and is valid now. InvalidToken."""
        ...


class RevokedTokens(Protocol):
    """Tokens that were signed out before they expired. Every method may raise QueueUnavailable."""

    async def revoke(self, token_id: str, *, expires_at: datetime, audit: AuditEntry | None = None) -> bool:
        """Revoke a token, with its audit entry; False, and nothing is written, if it is revoked already."""
        ...

    async def since(self, moment: datetime | None) -> Revocations:
        """The tokens revoked since this moment (`as_of` of an earlier result), or all of them."""
        ...

    async def prune(self, *, before: datetime) -> int:
        """Delete the tokens that expired before this moment; returns how many."""
        ...


AdminEdit = Callable[[Mapping[str, Admin]], tuple[Admin, Sequence[AuditEntry]] | None]
"""Maps the administrators by name to the changed one and the audit entries; None changes nothing."""


class AdminRepository(Protocol):
    """The administrators. Every method may raise QueueUnavailable. Audit entries are written with the change."""

    async def all(self) -> list[Admin]:
        """All administrators, by name."""
        ...

    async def add(self, admin: Admin, *, audit: AuditEntry | None = None) -> None:
        """AdminExists."""
        ...

    async def add_first(self, admin: Admin, *, audit: AuditEntry | None = None) -> bool:
        """Add if no administrator exists; False, and nothing changes, otherwise."""
        ...

    async def change(self, edit: AdminEdit) -> None:
        """Store what `edit` returns for the current administrators; nothing where it returns None or raises.

        No administrator changes while `edit` runs, so no change is lost and what it checks about the others stays true.
        """
        ...

    async def note_login(self, username: str, *, at: datetime, audit: AuditEntry) -> None:
        """Set the time of the last sign-in, unless a later one is stored."""
        ...

    async def renew_hash(self, username: str, *, hash: str, digest: str | None, expected_hash: str) -> bool:
        """Replace the password's hash and digest if the hash is still the expected one; False where it is not."""
        ...


class FailureCounter(Protocol):
    """Wrong passwords by key (a host, a site), counted across all processes.

    A count begins with a key's first failure and expires `accounts.WINDOW` later.
    Every method may raise QueueUnavailable.
    """

    async def failed(self, keys: Collection[str], *, now: datetime) -> None:
        """Count one failure of each of these keys."""
        ...

    async def blocked(self, *, now: datetime, keys: Collection[str] | None = None) -> Mapping[str, datetime]:
        """Keys among these (None: all) with `accounts.max_failures` failures, each with the time when its count
        expires."""
        ...

    async def prune(self, *, now: datetime) -> int:
        """Delete expired counts; returns how many."""
        ...
