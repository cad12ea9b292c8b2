"""The life of a job as its clients see it: create it from a photo, wait for its end, cancel it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from ...domain.accounts import Actor
from ...domain.audit import AuditAction, AuditEntry, audit_entry
from ...domain.deadlines import expires_at, fallback_reserve
from ...domain.errors import (
    JobFinalized,
    JobNotFound,
    PhotoChangerError,
    QueueFull,
    QueueUnavailable,
    UploadInterrupted,
)
from ...domain.ids import new_id, new_secret
from ...domain.job import FailureReason, Job, JobSource, JobSpec
from ...domain.media import Photo
from ...domain.slots.slot import FailureAnswer, Slot
from ...ports.clock import Clock
from ...ports.job_queue import JobSignals
from ...ports.repositories.job_repository import JobRepository
from ...ports.telemetry import Telemetry
from ..settings.service import SettingsService
from ..support.availability import UntilAvailable
from ..support.concurrency import TaskSet, result_of
from ..support.null_telemetry import NULL_TELEMETRY
from .completion import JobCompletion
from .intake import PhotoIntake
from .late_calls import LateCalls

_log = logging.getLogger("photochanger.jobs")

POLL = timedelta(seconds=1)
"""Interval at which a waiter reads the job itself, in case a wake-up was lost."""

FIRST_POLL = timedelta(milliseconds=50)
"""Delay of the first read of a waiter that already has the job; a wake-up may have come before it listened."""

_MAX_OVERRUN = timedelta(seconds=1)
"""How long past its deadline a job is waited for to be stored, or to be recorded as ended."""


class DefaultJobService:
    """The JobService port over the queue. Close it after its last call, before the queue."""

    def __init__(
        self,
        *,
        late_calls: LateCalls,
        signals: JobSignals,
        jobs: JobRepository,
        intake: PhotoIntake,
        completion: JobCompletion,
        settings: SettingsService,
        clock: Clock,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._late_calls = late_calls
        self._signals = signals
        self._jobs = jobs
        self._intake = intake
        self._completion = completion
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._timeouts = TaskSet()

    async def close(self) -> None:
        """Wait for the ends of jobs that are still being recorded at their deadline."""
        await self._timeouts.close()

    async def admit(self, slot_id: str) -> Slot:
        return await self._intake.admit(slot_id)

    async def require_capacity(self, slot: Slot, *, idempotency_key: str | None = None) -> None:
        await self._intake.admission.require_capacity(slot, idempotency_key=idempotency_key)

    async def receive_photo(self, slot: Slot, data: AsyncIterator[bytes]) -> Photo:
        return await self._intake.receive(slot, data)

    async def create(
        self,
        slot: Slot,
        photo: Photo,
        *,
        source: JobSource = JobSource.INGEST,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        received_at: datetime | None = None,
        patience: timedelta | None = None,
    ) -> Job:
        try:
            now = self._clock.now()
            settings = await self._settings.last_known()
            deadline = expires_at(received_at or now, settings.sync_response)
            if deadline <= now:
                raise UploadInterrupted(f"The photo took longer than the sync window of {settings.sync_response}.")
            spec = JobSpec(
                id=new_id(now),
                slot_id=slot.id,
                source=source,
                created_at=now,
                expires_at=deadline,
                route=slot.route,
                photo=photo,
                access_token=new_secret(),
                metadata=dict(metadata or {}),
                idempotency_key=idempotency_key,
                trace=self._telemetry.trace(),
                held_by=self._late_calls.photos.process if source is JobSource.INGEST and patience is None else None,
            )
            wait_until = spec.expires_at if patience is None else min(spec.expires_at, now + patience)
        except BaseException:
            await self._intake.discard(photo)
            raise
        return await self._enqueue(spec, max_active=settings.max_active_jobs, wait_until=wait_until)

    async def _enqueue(self, spec: JobSpec, *, max_active: int, wait_until: datetime) -> Job:
        """Enqueue, again and again by the same id while the queue is unavailable.

        The photo is removed where it is certain that no job owns it. Where a reply was lost it is left to the sweeper,
        which removes what no job has come to own.
        """
        lost = False

        async def enqueue() -> Job:
            nonlocal lost
            if lost:
                with contextlib.suppress(JobNotFound):
                    return await self._jobs.get(spec.id)
            try:
                return await self._late_calls.enqueue(spec, max_active=max_active, wait_until=wait_until)
            except QueueUnavailable:
                lost = True
                raise

        try:
            # A retry may wait for a late call to the end of its window: that is no outage.
            job = await UntilAvailable(self._clock, spec.expires_at + _MAX_OVERRUN)(enqueue)
        except PhotoChangerError:
            if not lost:
                await self._intake.discard(spec.photo)
            raise
        if job.id != spec.id and not lost:
            await self._intake.discard(spec.photo)
        return job

    async def submit(
        self,
        slot_id: str,
        data: AsyncIterator[bytes],
        *,
        source: JobSource = JobSource.LIBRARY,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        received_at = self._clock.now()
        slot = await self.admit(slot_id)
        await self.require_capacity(slot, idempotency_key=idempotency_key)
        photo = await self.receive_photo(slot, data)
        return await self.create(
            slot, photo, source=source, metadata=metadata, idempotency_key=idempotency_key, received_at=received_at
        )

    async def get(self, job_id: UUID) -> Job:
        return await self._jobs.get(job_id)

    async def wait(self, job_id: UUID, *, until: datetime | None = None, known: Job | None = None) -> Job:
        with self._signals.finalized(job_id) as ended:
            job = known or await self._jobs.get(job_id)
            pause = FIRST_POLL if known else POLL
            time_out_at = _time_out_at(job)
            while not job.state.finalized:
                now = self._clock.now()
                if until is not None and until <= now:
                    return job
                if time_out_at <= now:
                    return await self._time_out(job)
                wake_at = min(time_out_at, until or time_out_at)
                await ended.wait(min(wake_at - now, pause))
                pause = POLL
                if self._clock.now() < time_out_at:  # from then on the compare-and-set decides
                    job = await self._reread(job)
            return job

    async def _reread(self, job: Job) -> Job:
        """The job as it is now, or as it was where the queue does not answer before its deadline."""
        try:
            async with self._clock.timeout_at(job.expires_at):
                try:
                    job = await self._jobs.get(job.id)
                except JobNotFound:
                    job = await self._enqueue_again(job)
                await self._late_calls.photos.confirm(job)
        except (QueueUnavailable, QueueFull, TimeoutError):
            pass  # read again, and confirmed again, at the next poll
        return job

    async def _enqueue_again(self, job: Job) -> Job:
        """Enqueue a live job that the database has lost: a standby has taken over that did not have it yet."""
        settings = await self._settings.last_known()
        again = await self._late_calls.photos.enqueue(job.spec, max_active=settings.max_active_jobs)
        _log.warning("job %s was lost by the database, as in a failover; enqueued again", job.id)
        return again

    async def _time_out(self, job: Job) -> Job:
        """End the job at its deadline. The client does not wait longer than `_MAX_OVERRUN` for a slow queue; where this
        process stood still at the deadline, that time begins when it goes on."""
        give_up_at = max(job.expires_at, self._clock.now()) + _MAX_OVERRUN
        ending = self._timeouts.start(self._record_timeout(job), name=f"timeout of job {job.id}")
        try:
            async with self._clock.timeout_at(give_up_at):
                return await result_of(ending)
        except TimeoutError:
            raise QueueUnavailable("The job's end could not be recorded at its deadline.") from None

    async def _record_timeout(self, job: Job) -> Job:
        try:
            return await self._completion.time_out(job) or await self._jobs.get(job.id)
        except Exception as error:
            _log.warning("timeout of job %s could not be recorded; left to the sweeper: %s", job.id, error)
            raise

    async def cancel(self, job_id: UUID, *, by: Actor | None = None) -> Job:
        job = await self._jobs.get(job_id)
        ended = None
        if not job.state.finalized:
            ended = await self._completion.fail(
                job,
                FailureReason.CANCELLED,
                error_code="job_cancelled",
                detail="The job was cancelled.",
                claim=None,
                audit=self._cancel_entry(job, by) if by is not None else None,
            )
        if ended is None:
            raise JobFinalized("The job has already ended.")
        return ended

    def _cancel_entry(self, job: Job, by: Actor) -> AuditEntry:
        now = self._clock.now()
        return audit_entry(AuditAction.JOB_CANCELLED, by, now=now, target=str(job.id), slot_id=job.slot_id)


def _time_out_at(job: Job) -> datetime:
    """When a waiter ends the job itself: at the deadline, or before it where a failure answer has to be made."""
    if job.route.failure_answer is FailureAnswer.ERROR:
        return job.expires_at
    return job.expires_at - fallback_reserve(job.expires_at - job.created_at) / 2
