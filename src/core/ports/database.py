"""The database behind the repositories, for health checks."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class DatabaseStatus(Protocol):
    """Health of the database. Every method may raise QueueUnavailable."""

    async def ping(self) -> None:
        """Return if the database responds."""
        ...

    async def require_fit(self) -> None:
        """Return if the database can hold the schema and be written to: encoding, rights, not read-only."""
        ...

    async def require_current_schema(self) -> None:
        """Return if the schema is the one of this version; SchemaOutdated."""
        ...

    async def now(self) -> datetime:
        """The current time by the database's clock, aware."""
        ...
