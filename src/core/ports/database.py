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
        """Return if this version can use the schema: its own, or a newer one made to be used by it; SchemaOutdated."""
        ...

    async def now(self) -> datetime:
        """The current time by the database's clock, aware."""
        ...
