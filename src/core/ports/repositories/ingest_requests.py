"""The last request of each slot."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ...domain.ingest_request import IngestRequest


class IngestRequestRepository(Protocol):
    """One request for each slot, the latest. Every method may raise QueueUnavailable."""

    async def put(self, request: IngestRequest) -> None:
        """Store the request as the slot's last one, unless the stored one was received later, or its job was erased."""
        ...

    async def last(self, slot_id: str) -> IngestRequest | None:
        """The slot's last request; None where none is stored."""
        ...

    async def all(self) -> list[IngestRequest]:
        """The last request of every slot that has one, by slot."""
        ...

    async def prune(self, *, received_before: datetime) -> int:
        """Delete the requests received before this moment; returns how many."""
        ...
