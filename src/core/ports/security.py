"""Passwords as the core needs them."""

from __future__ import annotations

from typing import Protocol


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
