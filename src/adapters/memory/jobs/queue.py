"""The JobQueue port in memory, by the state functions of the core."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
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
    LogEntry,
    LogEvent,
    Outcome,
    QueueDepth,
    Result,
    acquire,
    can_acquire,
    end_late_call,
    release,
    replace_result,
    timed_out,
)
from ....core.domain.routing.capacity import (
    FINISHED_SINCE,
    MAX_FINISHED,
    MAX_JOBS,
    EntryKey,
    QueuedJob,
    QueueLoad,
    is_hopeless,
)
from ....core.domain.routing.provider_usage import health_of
from ....core.domain.slots.slot import Route
from ....core.ports.job_queue import PhotoHeld
from ..audit import MemoryAuditLog
from ..database import MemoryDatabase
from ..workers import MemoryWorkerRegistry


class MemoryJobQueue:
    """The jobs of a MemoryDatabase, by its clock."""

    def __init__(
        self, database: MemoryDatabase, audit: MemoryAuditLog, workers: MemoryWorkerRegistry | None = None
    ) -> None:
        self._db = database
        self._audit = audit
        self._workers = workers or MemoryWorkerRegistry(database.clock)

    async def enqueue(self, job: JobSpec, *, max_active: int, asked: Collection[UUID] | None = None) -> Job:
        if (stored := self._db.jobs.get(job.id)) is not None:
            return stored
        now = self._db.clock.now()
        if job.idempotency_key is not None and (holder := self._key_holder(job)) is not None:
            if _answers_key(holder, now):
                return holder
            self._db.jobs[holder.id] = end_late_call(holder)
        if (twin := self._abandoned_twin(job, now)) is not None:
            spec = msgspec.structs.replace(twin.spec, held_by=job.held_by)
            joined = msgspec.structs.replace(twin, spec=spec, abandoned_at=None, asked_at=None)
            return self._db.keep(joined, LogEvent.JOINED)
        if job.held_by is not None and asked is not None and (held := self._held(job, asked, now)):
            raise PhotoHeld(held)
        active = [other.expires_at for other in self._live() if other.expires_at > now]
        if len(active) >= max_active:
            seconds = math.ceil(remaining(min(active, default=now), now).total_seconds()) or 1
            raise QueueFull(f"The queue is full. Retry in {seconds} s.", retry_after=seconds)
        stored = self._db.keep(Job(spec=job), LogEvent.RECEIVED, source=str(job.source))
        self._db.wake("work")
        return stored

    async def acquire(
        self,
        worker: str,
        *,
        n: int,
        lease: timedelta,
        limits: Mapping[str, int] | None = None,
        running: Collection[UUID] = (),
    ) -> list[Claim]:
        now = self._db.clock.now()
        claims: list[Claim] = []
        others = [job for job in self._live() if job.id not in running]
        for job in sorted(others, key=lambda job: (job.created_at, job.id)):
            if len(claims) >= n:
                self._db.has_unclaimed_work = True
                break
            provider = job.spec.first_provider
            most = (limits or {}).get(provider or "")
            limited = most is not None and self._db.permits_taken(provider or "") >= most
            if not can_acquire(job, now) or (limited and not _may_try_another(job, now)):
                continue
            claims.append(self._claim(job, worker, lease=lease, now=now))
            if provider is not None and most is not None and not limited:
                self._db.permits[job.id].add((provider, 0))
        return claims

    def _claim(self, job: Job, worker: str, *, lease: timedelta, now: datetime) -> Claim:
        taken = acquire(job, worker, now=now, lease_until=now + lease)
        self._db.keep(taken, LogEvent.ACQUIRED, worker=worker, attempt=taken.attempt)
        self._db.permits[job.id] = set()
        return Claim(taken, taken.attempt)

    async def acquire_urgent(
        self, worker: str, *, n: int, lease: timedelta, needs: Mapping[EntryKey, timedelta], local: Collection[str]
    ) -> list[Claim]:
        now = self._db.clock.now()
        seconds = {entry: duration.total_seconds() for entry, duration in needs.items()}
        claims: list[Claim] = []
        for job in sorted(self._live(), key=lambda job: (job.created_at, job.id)):
            if len(claims) >= n:
                break
            if job.state is not JobState.PENDING or not can_acquire(job, now):
                continue
            if not (_is_short(job, local) or _is_hopeless(job, seconds, now)):
                continue
            claims.append(self._claim(job, worker, lease=lease, now=now))
        return claims

    async def load(self) -> QueueLoad:
        now = self._db.clock.now()
        live = sorted((job for job in self._live() if job.expires_at > now), key=lambda job: (job.created_at, job.id))
        return QueueLoad(
            jobs=tuple(_queued(job, now) for job in live[:MAX_JOBS]),
            live=len(live),
            workers=tuple(worker.report.concurrency for worker in await self._workers.all() if not worker.silent),
            health={provider_id: health_of(usage, now=now) for provider_id, usage in self._db.usage.items()},
            finished_ms=_finished_ms(self._db.jobs.values(), now),
        )

    async def may_join(self, slot_id: str, *, idempotency_key: str | None) -> bool:
        now = self._db.clock.now()
        return any(
            job.slot_id == slot_id
            and (
                (idempotency_key is not None and job.idempotency_key == idempotency_key and _answers_key(job, now))
                or _is_abandoned(job, now)
            )
            for job in self._db.jobs.values()
        )

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
        self,
        job_id: UUID,
        outcome: Outcome,
        *,
        claim: Claim | None,
        audit: AuditEntry | None = None,
        attempts: Collection[LogEntry] = (),
    ) -> bool:
        job = self._db.jobs.get(job_id)
        if job is None:
            return False
        if job.state.finalized:
            return job.outcome is outcome or (outcome.result is not None and outcome.result == job.result)
        if claim is not None and self._claimed(claim) is None:
            return False
        self._audit.write(audit)
        for entry in attempts:
            self._db.log(entry)
        self._db.end(job, outcome)
        return True

    async def rescue(self, job_id: UUID, result: Result, *, replaces: Result | None) -> bool:
        job = self._db.jobs.get(job_id)
        if job is not None and job.result == result:
            return True
        if job is None or job.state is not JobState.TIMED_OUT or not job.knows_guest or job.result != replaces:
            return False
        if job.late_call_until is None and self._has_come_again(job):
            return False
        self._db.keep(replace_result(job, result), LogEvent.RESCUED)
        self._db.wake(job_id)
        return True

    async def keep_late_call(self, claim: Claim, *, lease: timedelta) -> bool:
        if (job := self._with_late_call(claim)) is None:
            return False
        self._db.jobs[job.id] = msgspec.structs.replace(job, late_call_until=self._db.clock.now() + lease)
        return True

    async def end_late_call(self, claim: Claim) -> None:
        if (job := self._with_late_call(claim)) is not None:
            self._db.jobs[job.id] = end_late_call(job)
            self._db.wake(job.id)

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

    async def ask(self, job_ids: Collection[UUID]) -> None:
        for job in self._live():
            if job.id in job_ids:
                self._db.jobs[job.id] = msgspec.structs.replace(job, asked_at=self._db.clock.now())
                self._db.wake(job.id)

    async def unconfirmed(self, job_ids: Collection[UUID]) -> set[UUID]:
        return {id for id in job_ids if id in self._db.jobs and self._db.jobs[id].asked_at is not None}

    async def confirm(self, job_id: UUID) -> None:
        if (job := self._db.jobs.get(job_id)) is not None and job.asked_at is not None:
            self._db.jobs[job_id] = msgspec.structs.replace(job, asked_at=None)
            self._db.wake(job_id)

    def _has_come_again(self, job: Job) -> bool:
        """Whether a later job of the same slot and photo is live or has a result."""
        ended_at = job.finalized_at and min(job.finalized_at, job.expires_at)
        return any(
            (other.slot_id, other.photo.file.sha256) == (job.slot_id, job.photo.file.sha256)
            and (ended_at is not None and other.created_at >= ended_at and other.id != job.id)
            and (not other.state.finalized or other.result is not None)
            for other in self._db.jobs.values()
        )

    def _held(self, job: JobSpec, asked: Collection[UUID], now: datetime) -> set[UUID]:
        """Live jobs of the same slot and photo that other processes hold."""
        return {
            other.id
            for other in self._live()
            if other.slot_id == job.slot_id
            and other.photo.file.sha256 == job.photo.file.sha256
            and other.spec.held_by not in (None, job.held_by)
            and other.expires_at > now
            and other.id not in asked
        }

    def _abandoned_twin(self, job: JobSpec, now: datetime) -> Job | None:
        """The newest job of the same slot and photo whose client disconnected and that can still answer."""
        found = [
            other
            for other in self._db.jobs.values()
            if other.slot_id == job.slot_id
            and other.photo.file.sha256 == job.photo.file.sha256
            and _is_abandoned(other, now)
        ]
        return max(found, key=lambda other: (other.created_at, other.id), default=None)

    def _key_holder(self, job: JobSpec) -> Job | None:
        for other in self._db.jobs.values():
            if (other.slot_id, other.idempotency_key) == (job.slot_id, job.idempotency_key):
                return other
        return None

    def _with_late_call(self, claim: Claim) -> Job | None:
        job = self._db.jobs.get(claim.job.id)
        has_one = job is not None and job.attempt == claim.attempt and job.late_call_until is not None
        return job if has_one else None

    def _live(self) -> list[Job]:
        return [job for job in self._db.jobs.values() if not job.state.finalized]

    def _claimed(self, claim: Claim) -> Job | None:
        """The job if this claim is still valid."""
        job = self._db.jobs.get(claim.job.id)
        if job is None or job.state is not JobState.PROCESSING:
            return None
        if (job.attempt, job.worker) != (claim.attempt, claim.job.worker):
            return None
        return job


def _answers_key(job: Job, now: datetime) -> bool:
    """Whether a retry with the job's idempotency key gets this job."""
    return not job.state.finalized or job.result is not None or job.may_get_late_picture(now)


def _may_try_another(job: Job, now: datetime) -> bool:
    """Whether a job whose first provider has no free permit may start with another entry."""
    return len(job.route.entries) > 1 and job.expires_at - now < (job.expires_at - job.created_at) / 2


def _is_abandoned(job: Job, now: datetime) -> bool:
    """Whether the job's client disconnected, and the same photo may still be answered by it."""
    can_answer = not job.state.finalized or job.state is JobState.SUCCEEDED
    return job.abandoned_at is not None and ((job.expires_at > now and can_answer) or job.may_get_late_picture(now))


def _is_short(job: Job, local: Collection[str]) -> bool:
    return job.route.skipped > 0 and job.spec.first_provider in local


def _is_hopeless(job: Job, needs: Mapping[EntryKey, float], now: datetime) -> bool:
    left, window = job.expires_at - now, job.expires_at - job.created_at
    return job.provider_job_reference is None and is_hopeless(
        _keys(job.route), needs, left=left.total_seconds(), window=window.total_seconds()
    )


def _queued(job: Job, now: datetime) -> QueuedJob:
    running = None if can_acquire(job, now) else now - (job.acquired_at or now)
    return QueuedJob(
        entries=_keys(job.route),
        window=(job.expires_at - job.created_at).total_seconds(),
        left=(job.expires_at - now).total_seconds(),
        running=None if running is None else running.total_seconds(),
    )


def _finished_ms(jobs: Iterable[Job], now: datetime) -> dict[EntryKey, tuple[int, ...]]:
    """How long workers had the last jobs that ended with a picture at their first attempt."""
    since = now - FINISHED_SINCE
    ended = sorted(
        (job for job in jobs if job.finalized_at is not None and job.finalized_at > since),
        key=lambda job: (job.finalized_at, job.id),
    )
    finished: dict[EntryKey, tuple[int, ...]] = {}
    for job in ended[-MAX_FINISHED:]:
        if job.state is JobState.SUCCEEDED and job.attempt == 1 and job.acquired_at and job.finalized_at:
            took_ms = round((job.finalized_at - job.acquired_at).total_seconds() * 1000)
            entry = (job.provider_id or "", job.operation_id or "")
            finished[entry] = (*finished.get(entry, ()), max(took_ms, 0))
    return finished


def _keys(route: Route) -> tuple[EntryKey, ...]:
    return tuple((entry.provider_id, entry.operation_id) for entry in route.entries)
