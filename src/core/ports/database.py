"""The database behind the repositories, for health checks."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class ServerRole(enum.StrEnum):
    """What a server of the database is."""

    PRIMARY = "primary"
    STANDBY = "standby"
    REPLACED = "replaced"
    """It accepts writes, but another server has taken its place."""

    AWAY = "away"


class DatabaseServer(msgspec.Struct, frozen=True):
    """One of several servers of the database; `reason` says why it is away."""

    name: str
    role: ServerRole
    reason: str = ""


class DatabaseStatus(Protocol):
    """Health of the database. Every method may raise QueueUnavailable."""

    async def ping(self) -> None:
        """Return if the database responds."""
        ...

    async def require_fit(self) -> None:
        """Return if the database can hold the schema and be written to: encoding, rights, not read-only."""
        ...

    async def require_current_schema(self) -> None:
        """Return if this version can use the schema: its own, or a newer one made to be used by it; SchemaOutdated."""
        ...

    async def now(self) -> datetime:
        """The current time by the database's clock, aware."""
        ...

    async def servers(self) -> Sequence[DatabaseServer]:
        """The servers among which the primary is found, as they are now; none where the database has one."""
        ...
