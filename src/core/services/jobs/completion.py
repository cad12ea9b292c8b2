"""The end of a job: its outcome is recorded by compare-and-set, and the files that it no longer needs are removed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from ...domain.audit import AuditEntry
from ...domain.deadlines import result_expires_at
from ...domain.errors import PhotoChangerError, QueueUnavailable
from ...domain.job import (
    SYNC_TIMEOUT_CODE,
    SYNC_TIMEOUT_DETAIL,
    Claim,
    FailureReason,
    Job,
    JobState,
    LogEntry,
    Outcome,
    Result,
    finalize,
)
from ...domain.media import StoredPicture
from ...domain.slots.slot import FailureAnswer
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.media_service import MediaService
from ...ports.media_store import MediaStore
from ...ports.provider import ProviderError
from ...ports.telemetry import Telemetry
from ..media.result_pictures import ResultPictures
from ..media.storage_retry import StorageRetry
from ..settings.service import SettingsService
from ..support.concurrency import TaskSet, result_of
from ..support.null_telemetry import NULL_TELEMETRY
from .failure_answer import FailurePictures

_log = logging.getLogger("photochanger.jobs")

_T = TypeVar("_T")

_RETRY_PAUSE = timedelta(milliseconds=200)
_STATE_OF = {FailureReason.TIMEOUT: JobState.TIMED_OUT, FailureReason.CANCELLED: JobState.CANCELLED}
_ANSWERED_BY_FALLBACK = frozenset({FailureReason.TIMEOUT, FailureReason.PROVIDER_ERROR, FailureReason.STORAGE_ERROR})


class JobCompletion:
    """Ends jobs. Each method that ends one returns the finalized job, or None where it was finalized already.

    An end that has begun is carried out even if its caller is cancelled. While the queue is unavailable it is retried
    until the job's deadline; then QueueUnavailable.
    """

    def __init__(
        self,
        *,
        queue: JobQueue,
        store: MediaStore,
        media: MediaService,
        pictures: ResultPictures,
        fallback: FailurePictures,
        settings: SettingsService,
        clock: Clock,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._queue = queue
        self._store = store
        self._media = media
        self._pictures = pictures
        self._fallback = fallback
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._ends = TaskSet()

    async def finalize_job(
        self,
        claim: Claim,
        picture: StoredPicture,
        *,
        provider_id: str,
        operation_id: str,
        model: str | None = None,
        seed: int | None = None,
        attempts: Collection[LogEntry] = (),
        discard: bool = True,
    ) -> Job | None:
        """End a claimed job with its picture; `discard` removes the picture where the job was finalized already.

        `attempts` are written to the processing log before the end, in its transaction.
        """

        async def succeed() -> Job | None:
            result = await self._result(claim.job, picture, model=model, seed=seed)
            outcome = Outcome(
                state=JobState.SUCCEEDED,
                finalized_at=self._clock.now(),
                provider_id=provider_id,
                operation_id=operation_id,
                result=result,
            )
            return await self._end(claim.job, outcome, claim=claim, attempts=attempts, discard=discard)

        return await self._to_the_end(claim.job, succeed())

    async def fail(
        self,
        job: Job,
        reason: FailureReason,
        *,
        error_code: str,
        detail: str,
        claim: Claim | None,
        provider_id: str | None = None,
        operation_id: str | None = None,
        audit: AuditEntry | None = None,
        attempts: Collection[LogEntry] = (),
    ) -> Job | None:
        """End a job without its picture; the slot's failure answer is made and stored where it is a picture.

        With a claim only while it is valid. The audit entry is written in the transaction that ends the job, and so are
        `attempts`, before the end.
        """
        picture = await self._fallback_picture(job) if reason in _ANSWERED_BY_FALLBACK else None

        async def end() -> Job | None:
            result = await self._result(job, picture, fallback=True) if picture is not None else None
            outcome = Outcome(
                state=_STATE_OF.get(reason, JobState.FAILED),
                finalized_at=self._clock.now(),
                failure_reason=reason,
                error_code=error_code,
                error_detail=detail,
                provider_id=provider_id,
                operation_id=operation_id,
                result=result,
            )
            return await self._end(job, outcome, claim=claim, audit=audit, attempts=attempts)

        return await self._to_the_end(job, end())

    async def time_out(self, job: Job, *, claim: Claim | None = None) -> Job | None:
        """End a job at its deadline, with its failure answer."""
        return await self.fail(
            job, FailureReason.TIMEOUT, error_code=SYNC_TIMEOUT_CODE, detail=SYNC_TIMEOUT_DETAIL, claim=claim
        )

    async def _fallback_picture(self, job: Job) -> StoredPicture | None:
        """The failure answer where it is a picture; None also where it cannot be made in time."""
        if job.route.failure_answer is FailureAnswer.ERROR:
            return None
        retry = StorageRetry(self._clock, what=f"failure answer of job {job.id}", until=job.expires_at)
        try:
            async with self._clock.timeout_at(job.expires_at):
                data = await retry.run(lambda: self._fallback.picture_for(job))
                picture, _ = await self._pictures.store(job.id, data, limits=self._fallback.limits, retry=retry)
                return picture
        except (PhotoChangerError, ProviderError, TimeoutError) as error:
            _log.warning("failure answer of job %s failed: %s", job.id, str(error) or "timeout")
            return None
        except Exception:
            # An error in a failure answer must not keep the job from ending and the client from an answer.
            _log.exception("failure answer of job %s failed", job.id)
            return None

    async def _result(self, job: Job, picture: StoredPicture, **facts: Any) -> Result:
        retention = (await self._retry(job, self._settings.current)).result_retention
        return Result(picture, result_expires_at(self._clock.now(), retention), **facts)

    async def _end(
        self,
        job: Job,
        outcome: Outcome,
        *,
        claim: Claim | None,
        audit: AuditEntry | None = None,
        attempts: Collection[LogEntry],
        discard: bool = True,
    ) -> Job | None:
        """Compare-and-set; removes the picture of an end that came second, and the files of a job that has ended.

        Where QueueUnavailable leaves it open whether the end was recorded, the picture is kept: the sweeper removes
        it if no job owns it.
        """

        async def mark() -> bool:
            return await self._queue.mark_finalized(job.id, outcome, claim=claim, audit=audit, attempts=attempts)

        if not await self._retry(job, mark):
            if outcome.result is not None and discard:
                await self._pictures.discard(outcome.result.picture)
            return None
        self._telemetry.job_ended(job.slot_id, job.source, outcome.failure_reason)
        await self._clean_up(job)
        return finalize(job, outcome)

    async def _retry(self, job: Job, call: Callable[[], Awaitable[_T]]) -> _T:
        """The result of the call, retried while the queue is unavailable, until the job's deadline."""
        while True:
            try:
                return await call()
            except QueueUnavailable:
                if self._clock.now() >= job.expires_at:
                    raise
                await self._clock.sleep(_RETRY_PAUSE)

    async def _clean_up(self, job: Job) -> None:
        """Remove the files that only a live job needs; where that fails, the sweeper does it later."""
        try:
            await self._store.delete(job.photo.file.key)
            await self._media.drop(job.id)
        except PhotoChangerError as error:
            _log.warning("temporary files of job %s could not be removed: %s", job.id, error.detail)

    async def _to_the_end(self, job: Job, ending: Coroutine[Any, Any, Job | None]) -> Job | None:
        """Run to its end even if the caller is cancelled, so that a file and its row stay consistent."""
        task = self._ends.start(ending, name=f"end of job {job.id}")
        try:
            return await result_of(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise
