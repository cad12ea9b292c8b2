"""The JobQueue port on PostgreSQL: the statements of queue_sql on batching connections that callers share."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row

from ....core.domain.audit import AuditEntry
from ....core.domain.errors import JobNotFound, QueueFull
from ....core.domain.job import (
    SYNC_TIMEOUT_CODE,
    SYNC_TIMEOUT_DETAIL,
    Claim,
    Job,
    JobSpec,
    LogEntry,
    Outcome,
    QueueDepth,
    Result,
)
from ....core.domain.routing.capacity import (
    FINISHED_SINCE,
    FINISHING_SHARE,
    FRESH_SHARE,
    MAX_FINISHED,
    MAX_JOBS,
    EntryKey,
    QueueLoad,
)
from ....core.domain.stats.summary import outcome_of
from ....core.domain.worker import SILENT_AFTER
from ....core.ports.job_queue import PhotoHeld
from ..connection import BoundedConnection
from ..database import Database
from ..signals.wake_ups import WakeUps
from . import queue_sql, resend_sql
from .load import queue_load
from .rows import enqueue_item, finalize_item, job_from_row, stem

_MAX_RETRY_SECONDS = 60
_MAX_ASKED = 32
"""The most jobs of one photo that are asked about at once."""

Connection = psycopg.AsyncConnection[Any]


class _Statement(NamedTuple):
    """A statement of the queue with its parameters."""

    sql: str
    parameters: dict[str, Any]


class End(NamedTuple):
    """An end of a job to be written."""

    job_id: UUID
    outcome: Outcome
    claim: Claim | None = None
    audit: AuditEntry | None = None
    attempts: Collection[LogEntry] = ()


class _NewJob(NamedTuple):
    """A job to be enqueued."""

    spec: JobSpec
    max_active: int
    asked: Collection[UUID] | None


class PostgresJobQueue:
    """Batching connections for what many callers do concurrently; all other statements share one."""

    def __init__(self, database: Database) -> None:
        self._enqueueing = database.batcher(_enqueue_batch)
        self._finalizing = database.batcher(self._finalize_batch)
        self._acquiring = database.batcher(_run_statements)
        self._acquiring_within_limits = database.batcher(_run_under_lock, durable=False)
        self._others = database.batcher(_run_statements)
        self._wake_ups = WakeUps(database)  # closed last

    async def enqueue(self, job: JobSpec, *, max_active: int, asked: Collection[UUID] | None = None) -> Job:
        try:
            stored = await self._enqueueing.call(_NewJob(job, max_active, asked))
        except PhotoHeld:
            raise PhotoHeld(await self._held(job, asked or ())) from None
        return stored if isinstance(stored, Job) else await self._get(stored)

    async def _held(self, job: JobSpec, asked: Collection[UUID]) -> frozenset[UUID]:
        parameters = {
            "slot_id": job.slot_id,
            "sha256": job.photo.file.sha256,
            "held_by": job.held_by,
            "asked": list(asked),
            "limit": _MAX_ASKED,
        }
        return frozenset(row["id"] for row in await self._others.call(_Statement(resend_sql.HELD, parameters)))

    async def ask(self, job_ids: Collection[UUID]) -> None:
        await self._change(resend_sql.ASK, {"ids": list(job_ids)})

    async def unconfirmed(self, job_ids: Collection[UUID]) -> set[UUID]:
        rows = await self._others.call(_Statement(resend_sql.UNCONFIRMED, {"ids": list(job_ids)}))
        return {row["id"] for row in rows}

    async def confirm(self, job_id: UUID) -> None:
        await self._change(resend_sql.CONFIRM, {"id": job_id})

    async def _change(self, sql: str, parameters: dict[str, Any]) -> bool:
        """Run a statement that returns the jobs that it has changed, and wake who waits for them."""
        rows = await self._others.call(_Statement(sql, parameters))
        self._wake_ups.finalized(row["id"] for row in rows)
        return bool(rows)

    async def _get(self, job_id: UUID) -> Job:
        rows = await self._others.call(_Statement(queue_sql.GET_JOBS, {"ids": [job_id]}))
        if not rows:
            raise JobNotFound("Job not found.")
        return job_from_row(rows[0])

    async def acquire(
        self,
        worker: str,
        *,
        n: int,
        lease: timedelta,
        limits: Mapping[str, int] | None = None,
        running: Collection[UUID] = (),
    ) -> list[Claim]:
        parameters: dict[str, Any] = {"worker": worker, "n": n, "lease": lease, "running": list(running)}
        if limits:
            parameters["limits"] = msgspec.json.encode(limits).decode()
            statement = _Statement(queue_sql.ACQUIRE_WITHIN_LIMITS, parameters)
            rows = await self._acquiring_within_limits.call(statement)
        else:
            rows = await self._acquiring.call(_Statement(queue_sql.ACQUIRE, parameters))
        return [Claim(job, job.attempt) for job in map(job_from_row, rows)]

    async def acquire_urgent(
        self, worker: str, *, n: int, lease: timedelta, needs: Mapping[EntryKey, timedelta], local: Collection[str]
    ) -> list[Claim]:
        by_provider: dict[str, dict[str, float]] = {}
        for (provider_id, operation_id), duration in needs.items():
            by_provider.setdefault(provider_id, {})[operation_id] = duration.total_seconds()
        parameters = {
            "worker": worker,
            "n": n,
            "lease": lease,
            "local": list(local),
            "needs": msgspec.json.encode(by_provider).decode(),
            "longest": max((duration.total_seconds() for duration in needs.values()), default=0.0),
            "finishing": FINISHING_SHARE,
            "fresh": FRESH_SHARE,
        }
        rows = await self._acquiring.call(_Statement(queue_sql.ACQUIRE_URGENT, parameters))
        return [Claim(job, job.attempt) for job in map(job_from_row, rows)]

    async def load(self) -> QueueLoad:
        parameters = {
            "max_jobs": MAX_JOBS,
            "max_finished": MAX_FINISHED,
            "since": FINISHED_SINCE,
            "silent_after": SILENT_AFTER,
        }
        return queue_load(await self._others.call(_Statement(queue_sql.LOAD, parameters)))

    async def may_join(self, slot_id: str, *, idempotency_key: str | None) -> bool:
        parameters = {"slot_id": slot_id, "key": idempotency_key}
        (row,) = await self._others.call(_Statement(queue_sql.MAY_JOIN, parameters))
        return bool(row["found"])

    async def renew(self, claims: list[Claim], *, lease: timedelta) -> set[UUID]:
        parameters = {
            "ids": [claim.job.id for claim in claims],
            "attempts": [claim.attempt for claim in claims],
            "workers": [claim.job.worker for claim in claims],
            "lease": lease,
        }
        return {row["id"] for row in await self._others.call(_Statement(queue_sql.RENEW, parameters))}

    async def note_reference(self, claim: Claim, reference: str, *, entry: int) -> bool:
        parameters = _of(claim) | {"reference": reference, "entry": entry}
        return bool(await self._others.call(_Statement(queue_sql.NOTE_REFERENCE, parameters)))

    async def mark_finalized(
        self,
        job_id: UUID,
        outcome: Outcome,
        *,
        claim: Claim | None,
        audit: AuditEntry | None = None,
        attempts: Collection[LogEntry] = (),
    ) -> bool:
        return bool(await self._finalizing.call(End(job_id, outcome, claim, audit, attempts)))

    async def rescue(self, job_id: UUID, result: Result, *, replaces: Result | None) -> bool:
        parameters = {
            "id": job_id,
            "result": msgspec.json.encode(result).decode(),
            "stem": stem(result.file.key.name),
            "expires_at": result.expires_at,
            "replaces": stem(replaces.file.key.name) if replaces else None,
        }
        return await self._change(queue_sql.RESCUE, parameters)

    async def keep_late_call(self, claim: Claim, *, lease: timedelta) -> bool:
        parameters = _of(claim) | {"lease": lease}
        return bool(await self._others.call(_Statement(queue_sql.KEEP_LATE_CALL, parameters)))

    async def end_late_call(self, claim: Claim) -> None:
        await self._change(queue_sql.END_LATE_CALL, _of(claim))

    async def release(self, claim: Claim) -> bool:
        released = bool(await self._others.call(_Statement(queue_sql.RELEASE, _of(claim))))
        if released:
            self._wake_ups.work()
        return released

    async def abandon(self, job_id: UUID) -> None:
        await self._others.call(_Statement(resend_sql.ABANDON, {"id": job_id}))

    async def release_expired(self, *, limit: int) -> list[Job]:
        parameters = {"limit": limit, "error_code": SYNC_TIMEOUT_CODE, "error_detail": SYNC_TIMEOUT_DETAIL}
        rows = await self._others.call(_Statement(queue_sql.RELEASE_EXPIRED, parameters))
        self._wake_ups.finalized(row["id"] for row in rows)
        return [job_from_row(row) for row in rows]

    async def depth(self) -> QueueDepth:
        # Jobs in a state of a newer version count as processing.
        by_state = dict.fromkeys(("pending", "processing"), 0)
        by_provider: dict[str, int] = {}
        for row in await self._others.call(_Statement(queue_sql.DEPTH, {})):
            by_state[row["state"] if row["state"] in by_state else "processing"] += row["held"]
            by_provider[row["route_provider"]] = by_provider.get(row["route_provider"], 0) + row["held"]
        return QueueDepth(by_state["pending"], by_state["processing"], by_provider)

    async def _finalize_batch(self, connection: Connection, batch: Sequence[End]) -> list[bool | Exception]:
        done: dict[int, UUID | None] = {}
        for _ in range(2):
            # An end whose reply was lost may be committed while this statement waits, too late for it to be seen.
            cursor = await connection.execute(queue_sql.FINALIZE, {"batch": finalize_batch(batch)})
            done = {**dict(await cursor.fetchall()), **done}
            if len(done) == len(batch):
                break
        for number, waits_alone in done.items():  # also where a caller was cancelled
            if waits_alone is None:
                self._wake_ups.finalized([batch[number].job_id])
            else:
                self._wake_ups.finalized_for(waits_alone, batch[number].job_id)
        return [number in done for number in range(len(batch))]


def _of(claim: Claim) -> dict[str, Any]:
    """The parameters by which a statement recognises a claim."""
    return {"id": claim.job.id, "attempt": claim.attempt, "worker": claim.job.worker}


async def _enqueue_batch(connection: BoundedConnection, batch: Sequence[_NewJob]) -> list[Job | UUID | Exception]:
    """For each the stored job, the id of the existing job that does its work, QueueFull, or PhotoHeld."""
    items = msgspec.json.encode([enqueue_item(*new) for new in batch]).decode()
    row = await (await connection.call(queue_sql.ENQUEUE, {"batch": items})).fetchone()
    assert row is not None
    return [_enqueued(new.spec, *answer) for new, answer in zip(batch, row[0], strict=True)]


def _enqueued(spec: JobSpec, verdict: str, job_id: str, retry_after: float) -> Job | UUID | Exception:
    if verdict == "stored":
        return Job(spec=spec)
    if verdict == "existing":
        return UUID(job_id)
    if verdict == "held":
        return PhotoHeld()
    seconds = min(max(math.ceil(retry_after), 1), _MAX_RETRY_SECONDS)
    return QueueFull(f"The queue is full. Retry in {seconds} s.", retry_after=seconds)


def finalize_batch(ends: Sequence[End]) -> str:
    """The ends as the finalizing statement takes them."""
    return msgspec.json.encode([_finalize_item(number, end) for number, end in enumerate(ends)]).decode()


def _finalize_item(number: int, end: End) -> dict[str, Any]:
    return finalize_item(end.outcome) | {
        "number": number,
        "id": end.job_id,
        "attempt": end.claim.attempt if end.claim else None,
        "worker": end.claim.job.worker if end.claim else None,
        "counted_as": outcome_of(end.outcome.failure_reason, end.outcome.result),
        "audit": end.audit,
        "attempts": list(end.attempts),
    }


async def _run_statements(connection: Connection, batch: Sequence[_Statement]) -> list[list[dict[str, Any]]]:
    """Run statements one after the other; the rows of each."""
    answers = []
    async with connection.cursor(row_factory=dict_row) as cursor:
        for statement in batch:
            await cursor.execute(statement.sql, statement.parameters)
            # Not `description`, which makes an object of each column.
            has_rows = cursor.pgresult is not None and cursor.pgresult.nfields > 0
            answers.append(await cursor.fetchall() if has_rows else [])
    return answers


async def _run_under_lock(connection: Connection, batch: Sequence[_Statement]) -> list[list[dict[str, Any]]]:
    """Run acquisitions under the lock for counting permits, in a pipeline and a transaction that does not wait for the
    disk.

    The results are read behind the end of a pipeline: only from there on does the server limit how long it waits for
    what comes next, with the lock held (IDLE_TRANSACTION_SECONDS).
    """
    cursors = []
    async with connection.pipeline():
        await connection.execute(queue_sql.LOCK_PLACES)
        for statement in batch:
            cursors.append(connection.cursor(row_factory=dict_row))
            await cursors[-1].execute(statement.sql, statement.parameters)
    return [await cursor.fetchall() for cursor in cursors]
