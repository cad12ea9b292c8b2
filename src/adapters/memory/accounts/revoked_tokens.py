"""The RevokedTokens port in memory."""

from __future__ import annotations

from datetime import datetime

from ....core.domain.accounts import Revocations
from ....core.domain.audit import AuditEntry
from ....core.ports.clock import Clock
from ..audit import MemoryAuditLog


class MemoryRevokedTokens:
    """Token ids in a dictionary, each with the times of its expiry and of its revocation."""

    def __init__(self, clock: Clock, audit: MemoryAuditLog | None = None) -> None:
        self._clock = clock
        self._audit = audit or MemoryAuditLog()
        self._revoked: dict[str, tuple[datetime, datetime]] = {}

    async def revoke(self, token_id: str, *, expires_at: datetime, audit: AuditEntry | None = None) -> bool:
        if token_id in self._revoked:
            return False
        self._revoked[token_id] = expires_at, self._clock.now()
        self._audit.write(audit)
        return True

    async def since(self, moment: datetime | None) -> Revocations:
        found = {
            token_id: expires_at
            for token_id, (expires_at, revoked_at) in self._revoked.items()
            if moment is None or revoked_at >= moment
        }
        return Revocations(found, self._clock.now())

    async def prune(self, *, before: datetime) -> int:
        expired = [token_id for token_id, (expires_at, _) in self._revoked.items() if expires_at < before]
        for token_id in expired:
            del self._revoked[token_id]
        return len(expired)
