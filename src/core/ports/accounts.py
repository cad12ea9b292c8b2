"""Passwords, tokens, administrators and the count of wrong tries, as the core needs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Protocol

from ..domain.accounts import Admin, Identity
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
        """Whether the hash was made with weaker parameters than today's and should be made anew on the next success."""
        ...


class TokenIssuer(Protocol):
    """Access tokens: signed statements of who somebody is. No I/O; `secret` is the signing key of that id."""

    def issue(self, identity: Identity, *, key_id: str, secret: bytes) -> str:
        """A token that says this."""
        ...

    def key_id(self, token: str) -> str:
        """The id of the key that the token claims to be signed with, not yet believed. InvalidToken."""
        ...

    def verify(self, token: str, *, secret: bytes, now: datetime) -> Identity:
        """What the token says, if it was signed with this secret, for this service, and holds now. InvalidToken."""
        ...


AdminEdit = Callable[[Mapping[str, Admin]], tuple[Admin, AuditEntry | None] | None]
"""From the administrators by name one of them as they are to be, and what is told of it; None to leave all as it is."""


class AdminRepository(Protocol):
    """The administrators. Every method may raise QueueUnavailable. Audit entries are written with the change."""

    async def all(self) -> list[Admin]:
        """Everyone, by name."""
        ...

    async def add(self, admin: Admin, *, audit: AuditEntry | None = None) -> None:
        """AdminExists."""
        ...

    async def add_first(self, admin: Admin, *, audit: AuditEntry | None = None) -> bool:
        """Add if there is nobody yet; False, and nothing happens, where there is."""
        ...

    async def change(self, edit: AdminEdit) -> None:
        """Store what `edit` makes of everyone as they are at this moment, and nothing where it makes nothing.

        While it is asked nobody else changes an administrator, so that no change is lost and what it finds out about
        the others holds. What it raises goes through, and nothing is stored.
        """
        ...

    async def renew_hash(self, username: str, *, hash: str, expected_hash: str) -> bool:
        """Replace the password's hash if it is still the expected one; False where it is not."""
        ...


class FailureCounter(Protocol):
    """Wrong passwords by key (an address, an account), counted by all processes together.

    A count begins with a key's first failure and ends `people.WINDOW` after it.
    Every method may raise QueueUnavailable.
    """

    async def failed(self, keys: Collection[str], *, now: datetime) -> None:
        """Count one more failure of each of these keys."""
        ...

    async def succeeded(self, keys: Collection[str]) -> None:
        """Forget the failures of these keys."""
        ...

    async def blocked(self, *, now: datetime, keys: Collection[str] | None = None) -> Mapping[str, datetime]:
        """Those of these keys (None: of all) that have failed MAX_FAILURES times, each with the end of its count."""
        ...

    async def prune(self, *, now: datetime) -> int:
        """Forget the counts that have ended; returns how many."""
        ...
