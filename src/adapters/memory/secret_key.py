"""The SecretKeyRecord port in memory."""

from __future__ import annotations

from ...core.domain.audit import AuditEntry
from .audit import MemoryAuditLog


class MemorySecretKeyRecord:
    """The fingerprint in an attribute."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._fingerprint: str | None = None

    async def fingerprint(self) -> str | None:
        return self._fingerprint

    async def add_first(self, fingerprint: str) -> str:
        self._fingerprint = self._fingerprint or fingerprint
        return self._fingerprint

    async def replace(self, fingerprint: str, *, audit: AuditEntry) -> None:
        self._fingerprint = fingerprint
        self._audit.write(audit)
