"""The IngestRequestRepository port in memory."""

from __future__ import annotations

from datetime import datetime

from ...core.domain.ingest_request import IngestRequest


class MemoryIngestRequestRepository:
    """Requests in a dictionary, by slot."""

    def __init__(self) -> None:
        self._last: dict[str, IngestRequest] = {}

    async def put(self, request: IngestRequest) -> None:
        known = self._last.get(request.slot_id)
        if known is None or known.received_at <= request.received_at:
            self._last[request.slot_id] = request

    async def last(self, slot_id: str) -> IngestRequest | None:
        return self._last.get(slot_id)

    async def prune(self, *, received_before: datetime) -> int:
        old = [slot_id for slot_id, request in self._last.items() if request.received_at < received_before]
        for slot_id in old:
            del self._last[slot_id]
        return len(old)
