"""The IngestRequestRepository port in memory."""

from __future__ import annotations

from datetime import datetime

from ...core.domain.ingest_request import IngestRequest
from ...core.domain.slots.slot import slot_order
from .database import MemoryDatabase


class MemoryIngestRequestRepository:
    """Requests of a MemoryDatabase, by slot."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database
        self._last = database.ingest_requests

    async def put(self, request: IngestRequest) -> None:
        job = None if request.job_id is None else self._db.jobs.get(request.job_id)
        if job is not None and job.erased_at is not None:
            return
        known = self._last.get(request.slot_id)
        if known is None or known.received_at <= request.received_at:
            self._last[request.slot_id] = request

    async def last(self, slot_id: str) -> IngestRequest | None:
        return self._last.get(slot_id)

    async def all(self) -> list[IngestRequest]:
        return [self._last[slot_id] for slot_id in sorted(self._last, key=slot_order)]

    async def prune(self, *, received_before: datetime) -> int:
        old = [slot_id for slot_id, request in self._last.items() if request.received_at < received_before]
        for slot_id in old:
            del self._last[slot_id]
        return len(old)
