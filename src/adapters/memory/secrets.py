"""The SecretRepository port in memory."""

from __future__ import annotations

from ...core.ports.secrets import KeyChange, SecretState, StoredSecret
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

    async def change(self, change: KeyChange) -> bool:
        return self.write(change)

    def write(self, change: KeyChange) -> bool:
        """Store or remove a key with its audit entry; False where there was none to remove."""
        if change.secret is not None:
            self._secrets[change.provider_id] = change.secret
        elif self._secrets.pop(change.provider_id, None) is None:
            return False
        self._audit.write(change.audit)
        return True
