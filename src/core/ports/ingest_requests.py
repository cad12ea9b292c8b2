"""Where the last request of each slot is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ..domain.ingest_request import IngestRequest


class IngestRequestRepository(Protocol):
    """One request for each slot, the latest. Every method may raise QueueUnavailable."""

    async def put(self, request: IngestRequest) -> None:
        """Keep the request in place of the slot's last one, unless that came in later."""
        ...

    async def last(self, slot_id: str) -> IngestRequest | None:
        """The slot's last request; None where none is kept."""
        ...

    async def prune(self, *, received_before: datetime) -> int:
        """Forget the requests that came in before this moment; returns how many."""
        ...
