"""The SecretRepository port in memory."""

from __future__ import annotations

from ...core.domain.audit import AuditEntry
from ...core.ports.secrets import SecretState, StoredSecret
from .audit import MemoryAuditLog


class MemorySecretRepository:
    """Sealed secrets in a dictionary."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._secrets: dict[str, StoredSecret] = {}

    async def get(self, provider_id: str) -> StoredSecret | None:
        return self._secrets.get(provider_id)

    async def states(self) -> list[SecretState]:
        return [
            SecretState(provider_id=provider_id, changed_at=secret.changed_at, changed_by=secret.changed_by)
            for provider_id, secret in sorted(self._secrets.items())
        ]

    async def put(self, secret: StoredSecret, *, audit: AuditEntry | None = None) -> None:
        self._secrets[secret.provider_id] = secret
        self._audit.write(audit)

    async def remove(self, provider_id: str, *, audit: AuditEntry | None = None) -> bool:
        if self._secrets.pop(provider_id, None) is None:
            return False
        self._audit.write(audit)
        return True
