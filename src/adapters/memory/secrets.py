"""The SecretRepository port in memory."""

from __future__ import annotations

from ...core.ports.secrets import SecretState, StoredSecret


class MemorySecretRepository:
    """Sealed secrets in a dictionary."""

    def __init__(self) -> None:
        self._secrets: dict[str, StoredSecret] = {}

    async def get(self, provider_id: str) -> StoredSecret | None:
        return self._secrets.get(provider_id)

    async def states(self) -> list[SecretState]:
        return [
            SecretState(provider_id=provider_id, changed_at=secret.changed_at, changed_by=secret.changed_by)
            for provider_id, secret in sorted(self._secrets.items())
        ]

    async def put(self, secret: StoredSecret) -> None:
        self._secrets[secret.provider_id] = secret

    async def remove(self, provider_id: str) -> bool:
        return self._secrets.pop(provider_id, None) is not None
