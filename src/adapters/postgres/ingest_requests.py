"""The IngestRequestRepository port on PostgreSQL: one row per slot, the request as a JSON document."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from ...core.domain.ingest_request import IngestRequest
from ...core.domain.stored_values import from_row
from .database import Database
from .schema import ingest_requests as table
from .schema import jobs


class PostgresIngestRequestRepository:
    """Rows of `ingest_requests`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, request: IngestRequest) -> None:
        columns = {"received_at": request.received_at, "request": msgspec.to_builtins(request)}
        change = insert(table).values(slot_id=request.slot_id, **columns)
        change = change.on_conflict_do_update(
            index_elements=[table.c.slot_id], set_=columns, where=table.c.received_at <= request.received_at
        )
        erased = select(jobs.c.id).where(jobs.c.id == request.job_id, jobs.c.erased_at.is_not(None))
        async with self._database.begin() as connection:
            # An erasure between the two statements is repeated later, and then deletes the row.
            if request.job_id is None or (await connection.execute(erased)).one_or_none() is None:
                await connection.execute(change)

    async def last(self, slot_id: str) -> IngestRequest | None:
        query = select(table.c.request).where(table.c.slot_id == slot_id)
        async with self._database.begin() as connection:
            document = (await connection.execute(query)).scalar_one_or_none()
        return None if document is None else from_row(_request, document)

    async def all(self) -> list[IngestRequest]:
        query = select(table.c.request).order_by(func.length(table.c.slot_id), table.c.slot_id)
        async with self._database.begin() as connection:
            documents = (await connection.execute(query)).scalars().all()
        return [from_row(_request, document) for document in documents]

    async def prune(self, *, received_before: datetime) -> int:
        change = delete(table).where(table.c.received_at < received_before)
        async with self._database.begin() as connection:
            return (await connection.execute(change)).rowcount


def _request(document: Any) -> IngestRequest:
    return msgspec.convert(document, IngestRequest)
