"""The life of a job from the photo's first byte to the end, for whoever submits, waits, works or cancels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from ...domain.deadlines import (
    LEASE,
    expires_at,
    fallback_reserve,
    result_expires_at,
)
from ...domain.errors import (
    JobFinalized,
    PhotoChangerError,
    QueueUnavailable,
    SlotDisabled,
    UnsupportedMediaType,
)
from ...domain.ids import new_id, new_secret
from ...domain.job import (
    SYNC_TIMEOUT_CODE,
    SYNC_TIMEOUT_DETAIL,
    Claim,
    FailureReason,
    Job,
    JobFilter,
    JobOrder,
    JobSource,
    JobSpec,
    JobState,
    LogEntry,
    Outcome,
    Result,
    finalize,
)
from ...domain.media import (
    ImageLimits,
    MediaKey,
    MediaKind,
    Photo,
    StoredPicture,
    one_chunk,
)
from ...domain.pagination import Page, Position
from ...domain.result_files import RECENT_RESULTS, result_name
from ...domain.slot import FailureAnswer, Slot
from ...ports.clock import Clock
from ...ports.image_tool import ImageTool
from ...ports.job_queue import JobQueue, JobSignals
from ...ports.job_repository import JobRepository
from ...ports.media_service import MediaService
from ...ports.media_store import MediaStore
from ...ports.provider import ProviderError
from ...ports.slot_repository import SlotRepository
from ...ports.telemetry import Telemetry
from ..media.upload import SNIFF_BYTES, UploadReceiver
from ..settings.service import SettingsService
from ..support.concurrency import gather_in_order
from ..support.null_telemetry import NULL_TELEMETRY
from .failure_answer import FailurePictures

_log = logging.getLogger("photochanger.jobs")

_T = TypeVar("_T")

POLL = timedelta(seconds=1)
"""How often a waiter looks at the job itself, in case a wake-up was lost."""

FIRST_LOOK = timedelta(milliseconds=50)
"""How soon a waiter looks who was told the job; the worker has the database to itself until then."""

_LATEST_END = timedelta(seconds=1)
"""How long past its deadline a waiter holds on for the job's end to be recorded."""

_RETRY_PAUSE = timedelta(milliseconds=200)
_STATE_OF = {FailureReason.TIMEOUT: JobState.TIMED_OUT, FailureReason.CANCELLED: JobState.CANCELLED}
_OF_GUESTS = (JobSource.INGEST, JobSource.LIBRARY)
_ANSWERED_BY_FALLBACK = frozenset({FailureReason.TIMEOUT, FailureReason.PROVIDER_ERROR})


class Jobs:
    """The JobService port over the queue, the repositories and the media store."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        signals: JobSignals,
        jobs: JobRepository,
        slots: SlotRepository,
        store: MediaStore,
        media: MediaService,
        images: ImageTool,
        receiving: UploadReceiver,
        fallback: FailurePictures,
        settings: SettingsService,
        clock: Clock,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._queue = queue
        self._signals = signals
        self._jobs = jobs
        self._slots = slots
        self._store = store
        self._media = media
        self._images = images
        self._receiving = receiving
        self._fallback = fallback
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._endings: set[asyncio.Task[Job]] = set()

    async def admit(self, slot_id: str) -> Slot:
        slot, _ = await gather_in_order(self._enabled(slot_id), self._receiving.require_room())
        return slot

    async def _enabled(self, slot_id: str) -> Slot:
        slot = await self._slots.get(slot_id)
        if not slot.active or not slot.route.entries:
            raise SlotDisabled(f"The slot {slot_id} is switched off.")
        return slot

    async def receive_photo(self, slot: Slot, data: AsyncIterator[bytes]) -> Photo:
        settings = await self._settings.current()
        return await self._receiving.receive(
            MediaKind.PAYLOADS,
            str(new_id(self._clock.now())),
            data,
            max_bytes=min(slot.max_upload_bytes or settings.max_upload_bytes, settings.max_upload_bytes),
            limits=ImageLimits(max_pixels=settings.max_image_pixels),
        )

    async def discard_photo(self, photo: Photo) -> None:
        await self._store.delete(photo.file.key)

    async def create(
        self,
        slot: Slot,
        photo: Photo,
        *,
        source: JobSource = JobSource.INGEST,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        try:
            settings = await self._settings.current()
            now = self._clock.now()
            new = JobSpec(
                id=new_id(now),
                slot_id=slot.id,
                source=source,
                created_at=now,
                expires_at=expires_at(now, settings.sync_response),
                route=slot.route,
                photo=photo,
                access_token=new_secret(),
                metadata=dict(metadata or {}),
                idempotency_key=idempotency_key,
                trace=self._telemetry.trace(),
            )
            job = await self._queue.enqueue(new, max_active=settings.max_active_jobs)
        except BaseException:
            await self.discard_photo(photo)
            raise
        if job.id != new.id:
            await self.discard_photo(photo)
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
        slot = await self.admit(slot_id)
        photo = await self.receive_photo(slot, data)
        return await self.create(slot, photo, source=source, metadata=metadata, idempotency_key=idempotency_key)

    async def get(self, job_id: UUID) -> Job:
        return await self._jobs.get(job_id)

    async def wait(self, job_id: UUID, *, until: datetime | None = None, known: Job | None = None) -> Job:
        with self._signals.finalized(job_id) as ended:
            job = known or await self._jobs.get(job_id)
            longest = FIRST_LOOK if known else POLL  # a wake-up may have come before anybody listened
            take_over_at = _take_over_at(job)
            while not job.state.finalized:
                now = self._clock.now()
                if until is not None and until <= now:
                    return job
                if take_over_at <= now:
                    return await self._time_out(job)
                wake_at = min(take_over_at, until or take_over_at)
                await ended.wait(min(wake_at - now, longest))
                longest = POLL
                if self._clock.now() < take_over_at:  # from then on the compare-and-set tells who was first
                    job = await self._reread(job)
            return job

    async def _reread(self, job: Job) -> Job:
        """The job as it is now; as it was where the queue does not tell in time: ending it will find out."""
        try:
            async with self._clock.timeout_at(job.expires_at):
                return await self._jobs.get(job.id)
        except (QueueUnavailable, TimeoutError):
            return job

    async def _time_out(self, job: Job) -> Job:
        """End the job at its deadline; where a hanging queue takes too long for that, the guest is not held by it."""
        ending = asyncio.ensure_future(self._fail_by_timeout(job))
        self._endings.add(ending)
        ending.add_done_callback(self._ended)
        try:
            async with self._clock.timeout_at(job.expires_at + _LATEST_END):
                return await asyncio.shield(ending)
        except TimeoutError:
            raise QueueUnavailable("The job's end could not be recorded at its deadline.") from None

    def _ended(self, ending: asyncio.Task[Job]) -> None:
        self._endings.discard(ending)
        if not ending.cancelled() and (error := ending.exception()) is not None:
            _log.warning("a job's end at its deadline is left to the sweeper: %s", error)

    async def _fail_by_timeout(self, job: Job) -> Job:
        ended = await self.fail(
            job,
            FailureReason.TIMEOUT,
            error_code=SYNC_TIMEOUT_CODE,
            detail=SYNC_TIMEOUT_DETAIL,
            claim=None,
        )
        return ended or await self._jobs.get(job.id)

    async def abandon(self, job_id: UUID) -> None:
        await self._queue.abandon(job_id)

    async def acquire_next_job(
        self, worker: str, *, n: int = 1, lease: timedelta | None = None, limits: Mapping[str, int] | None = None
    ) -> list[Claim]:
        return await self._queue.acquire(worker, n=n, lease=lease or LEASE, limits=limits)

    async def store_picture(self, job: Job, data: bytes, *, limits: ImageLimits) -> StoredPicture:
        mime = self._images.sniff(data[:SNIFF_BYTES])
        if mime is None:
            raise UnsupportedMediaType("The content is not a picture.")
        name = result_name(job.id, mime)
        # The store goes first: its threads wait for the disk, while the proof keeps a processor to itself.
        storing = asyncio.ensure_future(self._store.put(MediaKind.RESULTS, name, one_chunk(data), max_bytes=len(data)))
        verifying = asyncio.ensure_future(self._images.verify(data, limits=limits))
        try:
            picture = await verifying
            file = await storing
        except BaseException:
            for task in (verifying, storing):
                task.cancel()
            await asyncio.gather(verifying, storing, return_exceptions=True)
            await self._store.delete(MediaKey(MediaKind.RESULTS, name))
            raise
        return StoredPicture(file, picture.mime, picture.width, picture.height)

    async def discard_picture(self, picture: StoredPicture) -> None:
        await self._store.delete(picture.file.key)

    async def finalize_job(
        self, claim: Claim, picture: StoredPicture, *, provider_id: str, operation_id: str
    ) -> Job | None:
        async def succeed() -> Job | None:
            result = await self._result(claim.job, picture, fallback=False)
            outcome = Outcome(
                state=JobState.SUCCEEDED,
                finalized_at=self._clock.now(),
                provider_id=provider_id,
                operation_id=operation_id,
                result=result,
            )
            return await self._end(claim.job, outcome, claim=claim)

        return await _to_the_end(succeed())

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
    ) -> Job | None:
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
            return await self._end(job, outcome, claim=claim)

        return await _to_the_end(end())

    async def _fallback_picture(self, job: Job) -> StoredPicture | None:
        """The failure answer where it is a picture; the job ends without one rather than not at all."""
        if job.route.failure_answer is FailureAnswer.ERROR:
            return None
        try:
            async with self._clock.timeout_at(job.expires_at):
                data = await self._fallback.picture_for(job)
                return await self.store_picture(job, data, limits=self._fallback.limits)
        except (PhotoChangerError, ProviderError, TimeoutError) as error:
            _log.warning("failure answer of job %s could not be made: %s", job.id, error or "no time left")
            return None
        except Exception:
            # A mistake in a failure answer must not keep the job from ending and the guest from an answer.
            _log.exception("failure answer of job %s could not be made", job.id)
            return None

    async def _result(self, job: Job, picture: StoredPicture, *, fallback: bool) -> Result:
        retention = (await self._through_outages(job, self._settings.current)).result_retention
        return Result(picture, result_expires_at(self._clock.now(), retention), fallback)

    async def _end(self, job: Job, outcome: Outcome, *, claim: Claim | None) -> Job | None:
        """Compare-and-set; the loser's picture is removed, the winner clears up after the job."""
        if not await self._mark_finalized(job, outcome, claim):
            if outcome.result is not None:
                await self.discard_picture(outcome.result.picture)
            return None
        self._telemetry.job_ended(job.slot_id, job.source, outcome.failure_reason)
        await self._clear_up(job)
        return finalize(job, outcome)

    async def _mark_finalized(self, job: Job, outcome: Outcome, claim: Claim | None) -> bool:
        """The compare-and-set, tried again while the queue is away and the window lasts.

        Where it stays unknown whether it happened, the result file is left: the sweeper removes it if no job owns it.
        """

        async def attempt() -> bool:
            if await self._queue.mark_finalized(job.id, outcome, claim=claim):
                return True
            # An earlier try may have been carried out although its confirmation was lost: then the picture is owned.
            return outcome.result is not None and (await self._jobs.get(job.id)).result == outcome.result

        return await self._through_outages(job, attempt)

    async def _through_outages(self, job: Job, call: Callable[[], Awaitable[_T]]) -> _T:
        """What the call returns; tried again while the queue is away and the job's window lasts."""
        while True:
            try:
                return await call()
            except QueueUnavailable:
                if self._clock.now() >= job.expires_at:
                    raise
                await self._clock.sleep(_RETRY_PAUSE)

    async def _clear_up(self, job: Job) -> None:
        """Remove what only the running job needed; what cannot be removed now is the sweeper's."""
        try:
            await self._store.delete(job.photo.file.key)
            await self._media.drop(job.id)
        except PhotoChangerError as error:
            _log.warning("temporary files of job %s are left to the sweeper: %s", job.id, error.detail)

    async def cancel(self, job_id: UUID) -> Job:
        job = await self._jobs.get(job_id)
        ended = None
        if not job.state.finalized:
            ended = await self.fail(
                job, FailureReason.CANCELLED, error_code="job_cancelled", detail="The job was cancelled.", claim=None
            )
        if ended is None:
            raise JobFinalized("The job has ended already.")
        return ended

    async def find(
        self, wanted: JobFilter, *, order: JobOrder = JobOrder.NEWEST, limit: int = 50, after: Position | None = None
    ) -> Page[Job]:
        return await self._jobs.find(wanted, order=order, limit=limit, after=after)

    async def logs(self, job_id: UUID) -> list[LogEntry]:
        await self._jobs.get(job_id)
        return await self._jobs.logs(job_id)

    async def gallery(self, slot: Slot, *, limit: int, after: Position | None = None) -> Page[Job]:
        found = await self._jobs.recent_results(
            slot.id, now=self._clock.now(), limit=limit + 1, sources=_OF_GUESTS, after=after
        )
        page = tuple(found[:limit])
        if len(found) <= limit:
            return Page(page)
        assert page[-1].finalized_at is not None
        return Page(page, Position(page[-1].finalized_at, page[-1].id))

    async def append_processing_logs(self, entries: Collection[LogEntry]) -> None:
        await self._jobs.append_logs(entries)

    async def refresh_recent_results(self, slot_id: str) -> list[Job]:
        return await self._jobs.recent_results(slot_id, now=self._clock.now(), limit=RECENT_RESULTS)

    async def clear_inline_preview(self, job_id: UUID) -> None:
        await self._jobs.clear_preview(job_id, answered_at=self._clock.now())


def _take_over_at(job: Job) -> datetime:
    """When a waiter ends the job itself: at the deadline, or a little before where it must still make a picture."""
    if job.route.failure_answer is FailureAnswer.ERROR:
        return job.expires_at
    return job.expires_at - fallback_reserve(job.expires_at - job.created_at) / 2


async def _to_the_end(ending: Coroutine[Any, Any, Job | None]) -> Job | None:
    """Run to its end even if the caller is cancelled meanwhile: a file and its row must not part in the middle."""
    task = asyncio.ensure_future(ending)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
