"""The JobQueue port in memory, by the state functions of the core."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from ....core.domain.audit import AuditEntry
from ....core.domain.deadlines import remaining
from ....core.domain.errors import QueueFull
from ....core.domain.job import (
    Claim,
    Job,
    JobSpec,
    JobState,
    LogEvent,
    Outcome,
    QueueDepth,
    Result,
    acquire,
    can_acquire,
    release,
    replace_result,
    timed_out,
)
from ..audit import MemoryAuditLog
from ..database import MemoryDatabase


class MemoryJobQueue:
    """The jobs of a MemoryDatabase, by its clock."""

    def __init__(self, database: MemoryDatabase, audit: MemoryAuditLog) -> None:
        self._db = database
        self._audit = audit

    async def enqueue(self, job: JobSpec, *, max_active: int) -> Job:
        if (stored := self._db.jobs.get(job.id)) is not None:
            return stored
        if job.idempotency_key is not None:
            for other in self._db.jobs.values():
                if (other.slot_id, other.idempotency_key) == (job.slot_id, job.idempotency_key):
                    return other
        now = self._db.clock.now()
        if (twin := self._abandoned_twin(job, now)) is not None:
            return self._db.keep(msgspec.structs.replace(twin, abandoned_at=None), LogEvent.JOINED)
        active = [other.expires_at for other in self._live() if other.expires_at > now]
        if len(active) >= max_active:
            seconds = math.ceil(remaining(min(active, default=now), now).total_seconds()) or 1
            raise QueueFull(f"The queue is full. Retry in {seconds} s.", retry_after=seconds)
        stored = self._db.keep(Job(spec=job), LogEvent.RECEIVED, source=str(job.source))
        self._db.wake("work")
        return stored

    async def acquire(
        self, worker: str, *, n: int, lease: timedelta, limits: Mapping[str, int] | None = None
    ) -> list[Claim]:
        now = self._db.clock.now()
        claims: list[Claim] = []
        for job in sorted(self._live(), key=lambda job: (job.created_at, job.id)):
            if len(claims) >= n:
                break
            provider = job.spec.first_provider
            most = (limits or {}).get(provider or "")
            limited = most is not None and self._db.permits_taken(provider or "") >= most
            if not can_acquire(job, now) or (limited and not _may_try_another(job, now)):
                continue
            taken = acquire(job, worker, now=now, lease_until=now + lease)
            self._db.keep(taken, LogEvent.ACQUIRED, worker=worker, attempt=taken.attempt)
            self._db.permits[job.id] = (
                {(provider, 0)} if provider is not None and most is not None and not limited else set()
            )
            claims.append(Claim(taken, taken.attempt))
        return claims

    async def renew(self, claims: list[Claim], *, lease: timedelta) -> set[UUID]:
        lease_until = self._db.clock.now() + lease
        mine = set()
        for claim in claims:
            if (job := self._claimed(claim)) is not None:
                self._db.jobs[job.id] = msgspec.structs.replace(job, lease_until=lease_until)
                mine.add(job.id)
        return mine

    async def note_reference(self, claim: Claim, reference: str, *, entry: int) -> bool:
        if (job := self._claimed(claim)) is None:
            return False
        noted = msgspec.structs.replace(job, provider_job_reference=reference, provider_job_entry=entry)
        self._db.keep(noted, LogEvent.REFERENCE, reference=reference)
        return True

    async def mark_finalized(
        self, job_id: UUID, outcome: Outcome, *, claim: Claim | None, audit: AuditEntry | None = None
    ) -> bool:
        job = self._db.jobs.get(job_id)
        if job is None:
            return False
        if job.state.finalized:
            return job.outcome is outcome or (outcome.result is not None and outcome.result == job.result)
        if claim is not None and self._claimed(claim) is None:
            return False
        self._audit.write(audit)
        self._db.end(job, outcome)
        return True

    async def rescue(self, job_id: UUID, result: Result, *, replaces: Result | None) -> bool:
        job = self._db.jobs.get(job_id)
        if job is None or job.state is not JobState.TIMED_OUT or not job.knows_guest or job.result != replaces:
            return False
        self._db.keep(replace_result(job, result), LogEvent.RESCUED)
        return True

    async def release(self, claim: Claim) -> bool:
        if (job := self._claimed(claim)) is None:
            return False
        self._db.keep(release(job), LogEvent.RELEASED, worker=job.worker, attempt=job.attempt)
        self._db.wake("work")
        return True

    async def abandon(self, job_id: UUID) -> None:
        job = self._db.jobs.get(job_id)
        if job is not None and job.abandoned_at is None and job_id not in self._db.answered:
            self._db.keep(msgspec.structs.replace(job, abandoned_at=self._db.clock.now()), LogEvent.ABANDONED)

    async def release_expired(self, *, limit: int) -> list[Job]:
        now = self._db.clock.now()
        over = [job for job in self._live() if job.expires_at <= now]
        over.sort(key=lambda job: (job.expires_at, job.id))
        return [self._db.end(job, timed_out(now)) for job in over[:limit]]

    async def depth(self) -> QueueDepth:
        live = self._live()
        return QueueDepth(
            pending=sum(job.state is JobState.PENDING for job in live),
            processing=sum(job.state is JobState.PROCESSING for job in live),
            by_provider=dict(Counter(provider for job in live if (provider := job.spec.first_provider))),
        )

    def _abandoned_twin(self, job: JobSpec, now: datetime) -> Job | None:
        """The newest job of the same slot and photo whose client disconnected and that can still answer."""
        found = [
            other
            for other in self._db.jobs.values()
            if other.slot_id == job.slot_id
            and other.photo.file.sha256 == job.photo.file.sha256
            and other.abandoned_at is not None
            and other.expires_at > now
            and (not other.state.finalized or other.state is JobState.SUCCEEDED)
        ]
        return max(found, key=lambda other: (other.created_at, other.id), default=None)

    def _live(self) -> list[Job]:
        return [job for job in self._db.jobs.values() if not job.state.finalized]

    def _claimed(self, claim: Claim) -> Job | None:
        """The job if this claim is still valid."""
        job = self._db.jobs.get(claim.job.id)
        if job is None or job.state is not JobState.PROCESSING or job.attempt != claim.attempt:
            return None
        return job


def _may_try_another(job: Job, now: datetime) -> bool:
    """Whether a job whose first provider has no free permit may start with another entry."""
    return len(job.route.entries) > 1 and job.expires_at - now < (job.expires_at - job.created_at) / 2
