"""The JobQueue port on PostgreSQL: the statements of queue_sql on lanes that concurrent callers share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row

from ...core.domain.errors import JobNotFound, QueueFull
from ...core.domain.job import (
    SYNC_TIMEOUT_CODE,
    SYNC_TIMEOUT_DETAIL,
    Claim,
    Job,
    JobSpec,
    Outcome,
    QueueDepth,
    Result,
)
from ...core.domain.stats import outcome_of
from . import queue_sql
from .database import Database
from .rows import enqueue_item, finalize_item, job_from_row, stem

_MAX_RETRY_SECONDS = 60

Connection = psycopg.AsyncConnection[Any]


class _Statement(NamedTuple):
    """One of the queue's rarer statements on its way through the lane for those."""

    sql: str
    parameters: dict[str, Any]


class PostgresJobQueue:
    """Lanes for what many callers do at once; everything else shares one more connection."""

    def __init__(self, database: Database) -> None:
        self._enqueueing = database.lane(_enqueue_batch)
        self._finalizing = database.lane(_finalize_batch)
        self._acquiring = database.lane(_run_statements)
        self._acquiring_within_limits = database.lane(_run_under_lock)
        self._others = database.lane(_run_statements)

    async def enqueue(self, job: JobSpec, *, max_active: int) -> Job:
        verdict = await self._enqueueing.call((job, max_active))
        return verdict if isinstance(verdict, Job) else await self._get(verdict)

    async def _get(self, job_id: UUID) -> Job:
        rows = await self._others.call(_Statement(queue_sql.GET_JOBS, {"ids": [job_id]}))
        if not rows:
            raise JobNotFound("There is no such job.")
        return job_from_row(rows[0])

    async def acquire(
        self, worker: str, *, n: int, lease: timedelta, limits: Mapping[str, int] | None = None
    ) -> list[Claim]:
        parameters: dict[str, Any] = {"worker": worker, "n": n, "lease": lease}
        if limits:
            parameters["limits"] = msgspec.json.encode(limits).decode()
            statement = _Statement(queue_sql.ACQUIRE_WITHIN_LIMITS, parameters)
            rows = await self._acquiring_within_limits.call(statement)
        else:
            rows = await self._acquiring.call(_Statement(queue_sql.ACQUIRE, parameters))
        return [Claim(job, job.attempt) for job in map(job_from_row, rows)]

    async def renew(self, claims: list[Claim], *, lease: timedelta) -> set[UUID]:
        parameters = {
            "ids": [claim.job.id for claim in claims],
            "attempts": [claim.attempt for claim in claims],
            "lease": lease,
        }
        return {row["id"] for row in await self._others.call(_Statement(queue_sql.RENEW, parameters))}

    async def note_reference(self, claim: Claim, reference: str, *, entry: int) -> bool:
        parameters = {"id": claim.job.id, "attempt": claim.attempt, "reference": reference, "entry": entry}
        return bool(await self._others.call(_Statement(queue_sql.NOTE_REFERENCE, parameters)))

    async def mark_finalized(self, job_id: UUID, outcome: Outcome, *, claim: Claim | None) -> bool:
        return bool(await self._finalizing.call((job_id, outcome, claim)))

    async def rescue(self, job_id: UUID, result: Result, *, replaces: Result | None) -> bool:
        parameters = {
            "id": job_id,
            "result": msgspec.json.encode(result).decode(),
            "stem": stem(result.file.key.name),
            "expires_at": result.expires_at,
            "replaces": stem(replaces.file.key.name) if replaces else None,
        }
        return bool(await self._others.call(_Statement(queue_sql.RESCUE, parameters)))

    async def release(self, claim: Claim) -> bool:
        parameters = {"id": claim.job.id, "attempt": claim.attempt}
        return bool(await self._others.call(_Statement(queue_sql.RELEASE, parameters)))

    async def abandon(self, job_id: UUID) -> None:
        await self._others.call(_Statement(queue_sql.ABANDON, {"id": job_id}))

    async def release_expired(self, *, limit: int) -> list[Job]:
        parameters = {"limit": limit, "error_code": SYNC_TIMEOUT_CODE, "error_detail": SYNC_TIMEOUT_DETAIL}
        rows = await self._others.call(_Statement(queue_sql.RELEASE_EXPIRED, parameters))
        return [job_from_row(row) for row in rows]

    async def depth(self) -> QueueDepth:
        by_state = dict.fromkeys(("pending", "processing"), 0)
        by_provider: dict[str, int] = {}
        for row in await self._others.call(_Statement(queue_sql.DEPTH, {})):
            by_state[row["state"]] += row["held"]
            by_provider[row["route_provider"]] = by_provider.get(row["route_provider"], 0) + row["held"]
        return QueueDepth(by_state["pending"], by_state["processing"], by_provider)


async def _enqueue_batch(connection: Connection, batch: Sequence[tuple[JobSpec, int]]) -> list[Job | UUID | Exception]:
    """For each its job as stored, the id of the job that does its work already, or QueueFull."""
    items = msgspec.json.encode([enqueue_item(new, max_active) for new, max_active in batch]).decode()
    cursor = await connection.execute(queue_sql.ENQUEUE, {"batch": items})
    return [
        _verdict(new, verdict, job_id, free_at)
        for (new, _), (verdict, job_id, free_at) in zip(batch, await cursor.fetchall(), strict=True)
    ]


def _verdict(new: JobSpec, verdict: str, job_id: UUID, free_at: datetime | None) -> Job | UUID | Exception:
    if verdict == "stored":
        return Job(spec=new)
    if verdict == "existing":
        return job_id
    seconds = (free_at - datetime.now(UTC)).total_seconds() if free_at else 1.0
    return QueueFull(
        "As many photos are being worked on as are allowed at once.",
        retry_after=min(max(math.ceil(seconds), 1), _MAX_RETRY_SECONDS),
    )


async def _finalize_batch(
    connection: Connection, batch: Sequence[tuple[UUID, Outcome, Claim | None]]
) -> list[bool | Exception]:
    items = [_finalize_item(place, *member) for place, member in enumerate(batch)]
    cursor = await connection.execute(queue_sql.FINALIZE, {"batch": msgspec.json.encode(items).decode()})
    done = {place for (place,) in await cursor.fetchall()}
    return [place in done for place in range(len(batch))]


def _finalize_item(place: int, job_id: UUID, outcome: Outcome, claim: Claim | None) -> dict[str, Any]:
    return finalize_item(outcome) | {
        "place": place,
        "id": job_id,
        "attempt": claim.attempt if claim else None,
        "counted_as": outcome_of(outcome.failure_reason),
    }


async def _run_statements(connection: Connection, batch: Sequence[_Statement]) -> list[list[dict[str, Any]]]:
    """The rows of each statement, one after the other."""
    answers = []
    async with connection.cursor(row_factory=dict_row) as cursor:
        for statement in batch:
            await cursor.execute(statement.sql, statement.parameters)
            answers.append(await cursor.fetchall() if cursor.description else [])
    return answers


async def _run_under_lock(connection: Connection, batch: Sequence[_Statement]) -> list[list[dict[str, Any]]]:
    """The same under the lock of those who count calls under way."""
    async with connection.transaction():
        await connection.execute(queue_sql.LOCK_PLACES)
        return await _run_statements(connection, batch)
