"""The secret key that all hosts of a database must share: its fingerprint is stored there and compared at a start."""

from __future__ import annotations

import asyncio
import hmac

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, audit_entry
from ...ports.clock import Clock
from ...ports.secrets import SecretBox, SecretKeyRecord

_PURPOSE = "fingerprint of the secret key"


class SharedSecretKey:
    """This process's secret key against that of the database. Methods may raise QueueUnavailable and, where they need
    this process's key, SecretKeyUnavailable."""

    def __init__(self, record: SecretKeyRecord, box: SecretBox, clock: Clock) -> None:
        self._record = record
        self._box = box
        self._clock = clock

    async def is_recorded(self) -> bool:
        """Whether the database knows the key of its hosts; does not need this process's key."""
        return await self._record.fingerprint() is not None

    async def is_same(self) -> bool | None:
        """Whether this process has the key of the database; None where the database knows no key yet."""
        stored = await self._record.fingerprint()
        return None if stored is None else _equal(stored, await self._own())

    async def agree(self) -> bool:
        """Record this process's key where the database knows none yet. False where it knows another one."""
        own = await self._own()
        stored = await self._record.fingerprint() or await self._record.add_first(own)
        return _equal(stored, own)

    async def change(self, *, by: Actor) -> None:
        """Make this process's key that of the database. What others have sealed with the old one stays unreadable."""
        audit = audit_entry(AuditAction.SECRET_KEY_CHANGED, by, now=self._clock.now())
        await self._record.replace(await self._own(), audit=audit)

    async def _own(self) -> str:
        """HMAC-SHA256 under a key that is derived from the secret: it cannot be turned back."""
        return (await asyncio.to_thread(self._box.digest, "", purpose=_PURPOSE)).hex()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
