"""The one id function: UUID version 7 (RFC 9562 §5.7), so that ids sort by time and indexes stay dense."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID


def new_id(now: datetime) -> UUID:
    """A UUIDv7 for the given moment: 48 bits of milliseconds, the version, 74 bits from the system's random source."""
    milliseconds = int(now.timestamp() * 1000)
    random = secrets.randbits(74)
    value = (
        (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    )
    return UUID(int=value)


def new_secret() -> str:
    """An unguessable token of 128 random bits, safe in an URL."""
    return secrets.token_urlsafe(16)
