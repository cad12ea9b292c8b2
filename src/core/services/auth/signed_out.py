"""Revoked tokens as this process knows them: those of its own sign-outs at once, those of others within a second."""

from __future__ import annotations

from datetime import datetime, timedelta

from ...domain.accounts import Identity
from ...domain.audit import AuditEntry
from ...ports.accounts import RevokedTokens
from ...ports.clock import Clock
from ..support.refreshing_value import RefreshingValue

_LOOK_BACK = timedelta(seconds=30)
"""How much is read again each time: longer than a revocation can take from its statement to its commit."""

_TIDY_INTERVAL = timedelta(minutes=1)


class SignedOut:
    """The ids of revoked tokens that have not expired. Methods may raise QueueUnavailable.

    All of them are read once; after that, each reading fetches the new ones only.
    """

    def __init__(self, tokens: RevokedTokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._expiries: dict[str, datetime] = {}
        self._as_of: datetime | None = None
        self._tidied_at = clock.monotonic()
        self._known = RefreshingValue(self._read, clock, what="the revoked tokens")

    async def includes(self, token_id: str) -> bool:
        """Whether this token is revoked."""
        return token_id in await self._known.get()

    async def add(self, identity: Identity, *, audit: AuditEntry) -> None:
        """Revoke the token of this identity, with all that were issued for the same session."""
        await self._tokens.revoke(identity.token_id, expires_at=identity.expires_at, audit=audit)
        self._known.forget()

    async def _read(self) -> dict[str, datetime]:
        found = await self._tokens.since(None if self._as_of is None else self._as_of - _LOOK_BACK)
        self._expiries.update(found.expiries)
        self._as_of = found.as_of
        self._tidy()
        return self._expiries

    def _tidy(self) -> None:
        if self._clock.monotonic() - self._tidied_at >= _TIDY_INTERVAL:
            self._tidied_at = self._clock.monotonic()
            now = self._clock.now()
            self._expiries = {token_id: expiry for token_id, expiry in self._expiries.items() if expiry > now}
