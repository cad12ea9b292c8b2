"""What a worker does with one claimed job: prepare the photo, run the route, end the job, and make the preview.

The job's end by anybody else (deadline, cancel, another worker) stops it at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from ...domain.deadlines import route_ends_at
from ...domain.errors import (
    ImageTooLarge,
    MediaNotFound,
    PhotoChangerError,
    QueueUnavailable,
    StorageUnavailable,
    UndecodableImage,
    UnsupportedMediaType,
)
from ...domain.job import (
    SYNC_TIMEOUT_CODE,
    SYNC_TIMEOUT_DETAIL,
    Claim,
    FailureReason,
    Job,
    JobSource,
    LogEntry,
    LogEvent,
)
from ...domain.media import Picture, StoredPicture
from ...domain.slot import FailureAnswer
from ...ports.clock import Clock
from ...ports.image_tool import ImageTool
from ...ports.job_log import JobLog
from ...ports.job_queue import JobQueue, JobSignals, Subscription
from ...ports.job_repository import JobRepository
from ...ports.media_service import MediaService
from ...ports.media_store import MediaStore
from ...ports.telemetry import Telemetry
from ..providers.registry import ProviderRegistry
from ..routing.attempt import Hooks, RoutePicture
from ..routing.engine import RouteEngine, RouteExhausted
from ..routing.inputs import JobMaterials
from ..support.null_telemetry import NULL_TELEMETRY
from .completion import JobCompletion
from .late_rescue import LateRescue
from .service import POLL

_log = logging.getLogger("photochanger.processing")


_PREVIEW_PAUSE = timedelta(milliseconds=250)
"""A preview is made when no job has begun or ended here for so long, and no other preview was made: the machine is then
waiting for providers, and those that a rush has left behind do not fill up that wait until the next answer comes."""

_PREVIEW_PATIENCE = timedelta(seconds=1)
"""How long the preview whose turn it is waits for such a moment; then it is made all the same."""


_MAX_PHOTO_BYTES = 64 * 1024 * 1024
"""How much of the photos of jobs that have ended is held in memory until small copies of them are made; those of a rush
beyond that get none."""


class _End(msgspec.Struct, frozen=True):
    """What is left to do once a route is through: end the job this way, with this picture."""

    call: Callable[[], Coroutine[Any, Any, Job | None]]
    picture: StoredPicture | None = None


class JobProcessor:
    """Works on claims; `run` never raises for a job's own trouble, it ends the job with it."""

    def __init__(
        self,
        *,
        jobs: JobRepository,
        log: JobLog,
        completion: JobCompletion,
        queue: JobQueue,
        signals: JobSignals,
        store: MediaStore,
        media: MediaService,
        images: ImageTool,
        providers: ProviderRegistry,
        routes: RouteEngine,
        rescue: LateRescue,
        clock: Clock,
        public_base_url: str | None = None,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._jobs = jobs
        self._log = log
        self._completion = completion
        self._queue = queue
        self._signals = signals
        self._store = store
        self._media = media
        self._images = images
        self._providers = providers
        self._routes = routes
        self._rescue = rescue
        self._clock = clock
        self._public_base_url = public_base_url
        self._telemetry = telemetry
        self._background: set[asyncio.Task[None]] = set()
        self._rescues: set[asyncio.Task[None]] = set()
        self._one_preview = asyncio.Semaphore(1)
        self._photo_bytes = 0
        self._last_bustle = clock.now()
        self._closing = False

    async def close(self) -> None:
        """Stop calls that go on after their window; finish the log entries and previews that are still under way."""
        self._closing = True
        for rescue in self._rescues:
            rescue.cancel()
        await asyncio.gather(*self._rescues, return_exceptions=True)
        await asyncio.gather(*self._background)

    async def run(self, claim: Claim) -> None:
        """Work on a claim until its job has ended. Cancellation leaves the job as it is, to be handed back."""
        self._last_bustle = self._clock.now()
        job = claim.job
        if claim.attempt == 1 and job.acquired_at is not None:
            # Made and taken are told by two clocks, which may differ a little.
            self._telemetry.job_began(job.slot_id, waited=max(job.acquired_at - job.created_at, timedelta(0)))
        try:
            await self._run(claim)
        finally:
            self._last_bustle = self._clock.now()

    async def _run(self, claim: Claim) -> None:
        materials = JobMaterials(
            claim.job,
            completion=self._completion,
            store=self._store,
            media=self._media,
            images=self._images,
            providers=self._providers,
            public_base_url=self._public_base_url,
        )
        ending: _End | None = None
        ended: Job | None = None
        afterwards: list[Coroutine[Any, Any, None]] = []
        left_behind: list[asyncio.Task[RoutePicture]] = []
        tried: list[LogEntry] = []
        try:
            routing = self._run_route(claim, materials, afterwards, left_behind, tried)
            ending = await self._unless_ended(claim.job, routing)
            if tried:
                await self._append(tried)
            ended = await ending.call() if ending else None
            for call in left_behind:
                self._start_rescue(claim.job, call)
            left_behind.clear()
        finally:
            for call in left_behind:  # this work itself was stopped: nobody is there to wait for them
                call.cancel()
            for work in afterwards:
                self._in_background(work)
            await materials.discard(but=ending.picture if ending else None)
        if ending is None:
            _log.info("job %s was ended by somebody else; its work was stopped", claim.job.id)
        if ended is not None and ended.result is not None:
            self._in_background(self._make_previews(ended, materials.taken_photo()))

    def _start_rescue(self, job: Job, call: asyncio.Task[RoutePicture]) -> None:
        task = asyncio.ensure_future(self._rescue.rescue(job.id, call))
        self._rescues.add(task)
        task.add_done_callback(self._rescues.discard)

    async def _make_previews(self, job: Job, photo: Picture | None) -> None:
        """That of the result and that of the photo, which is not in the store any more."""
        if photo is None or self._photo_bytes + len(photo.data) > _MAX_PHOTO_BYTES:
            await self._in_a_lull(job, self._media.make_thumbnail)
            return
        self._photo_bytes += len(photo.data)
        try:
            await self._in_a_lull(job, self._media.make_thumbnail, partial(self._media.keep_photo, photo=photo.data))
        finally:
            self._photo_bytes -= len(photo.data)

    async def _in_a_lull(self, job: Job, *making: Callable[[Job], Awaitable[object]]) -> None:
        """Previews come after the guests' answers: one is made at a time, each in a lull between them."""
        async with self._one_preview:
            for make in making:
                await self._until_a_lull()
                try:
                    await make(job)
                except PhotoChangerError as error:
                    _log.warning("a preview of job %s could not be made: %s", job.id, error.detail)
                self._last_bustle = self._clock.now()

    async def _until_a_lull(self) -> None:
        latest = self._clock.now() + _PREVIEW_PATIENCE
        while not self._closing and (now := self._clock.now()) < (
            lull := min(self._last_bustle + _PREVIEW_PAUSE, latest)
        ):
            await self._clock.sleep(lull - now)

    def _log_in_background(self, entry: LogEntry) -> None:
        """Append to the processing log without making the guest wait for it."""
        self._in_background(self._append([entry]))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _append(self, entries: Collection[LogEntry]) -> None:
        try:
            await self._log.append(entries)
        except QueueUnavailable as error:
            for entry in entries:
                _log.warning(
                    "an entry of job %s's log is lost: %s; it was %s", entry.job_id, error.detail, entry.detail
                )

    async def _unless_ended(self, job: Job, work: Coroutine[Any, Any, _End]) -> _End | None:
        """What `work` returns, or None as soon as the job was ended by somebody else; `work` is stopped then."""
        with self._signals.finalized(job.id) as signal:
            working = asyncio.ensure_future(work)
            watching = asyncio.ensure_future(self._until_ended(job, signal))
            try:
                await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
                return working.result() if working.done() else None
            finally:
                for task in (working, watching):
                    task.cancel()
                await asyncio.gather(working, watching, return_exceptions=True)

    async def _until_ended(self, job: Job, signal: Subscription) -> None:
        """Return when the job has ended. The signal is a hint; the look at the job decides."""
        while True:
            if not await signal.wait(POLL) and self._clock.now() < job.expires_at:
                continue
            try:
                if (await self._jobs.get(job.id)).state.finalized:
                    return
            except QueueUnavailable:
                await self._clock.sleep(POLL)

    async def _run_route(
        self,
        claim: Claim,
        materials: JobMaterials,
        afterwards: list[Coroutine[Any, Any, None]],
        left_behind: list[asyncio.Task[RoutePicture]],
        tried: list[LogEntry],
    ) -> _End:
        """Run the job's route; what it returns ends the job accordingly.

        What is noted of the call that made the picture is left in `afterwards`: the guest waits for that picture.
        Whoever tests a slot waits for what is noted: of such a job it is left in `tried`, to be written before the end.
        """
        job = claim.job

        def note_attempt(facts: dict[str, Any]) -> None:
            entry = LogEntry(job.id, self._clock.now(), LogEvent.ATTEMPT, facts | {"attempt": claim.attempt})
            if job.source is JobSource.TEST:
                tried.append(entry)
            elif facts["classification"] == "picture":
                afterwards.append(self._append([entry]))
            else:
                self._log_in_background(entry)

        async def note_reference(reference: str, entry: int) -> None:
            try:
                await self._queue.note_reference(claim, reference, entry=entry)
            except QueueUnavailable as error:
                # It is for the case that this worker dies; the call that was paid for goes on without it.
                _log.warning("the reference of job %s could not be saved: %s", job.id, error.detail)

        hooks = Hooks(
            note_attempt=note_attempt,
            note_reference=note_reference,
            afterwards=afterwards.append,
            left_behind=left_behind.append,
        )
        fail = partial(self._completion.fail, job, claim=claim)
        try:
            made = await self._routes.run(claim, materials, hooks, ends_at=_route_ends_at(job))
        except RouteExhausted as error:
            failed = partial(
                fail,
                FailureReason.PROVIDER_ERROR,
                error_code=error.code,
                detail=error.reason,
                provider_id=error.provider_id,
                operation_id=error.operation_id,
            )
            return _End(failed)
        except TimeoutError:
            return _End(partial(fail, FailureReason.TIMEOUT, error_code=SYNC_TIMEOUT_CODE, detail=SYNC_TIMEOUT_DETAIL))
        except (UndecodableImage, UnsupportedMediaType, ImageTooLarge) as error:
            return _End(partial(fail, FailureReason.INVALID_PHOTO, error_code=error.code, detail=error.detail))
        except (StorageUnavailable, MediaNotFound) as error:
            code = StorageUnavailable.code
            return _End(partial(fail, FailureReason.STORAGE_ERROR, error_code=code, detail=error.detail))
        finalize = partial(
            self._completion.finalize_job,
            claim,
            made.picture,
            provider_id=made.provider_id,
            operation_id=made.operation_id,
        )
        return _End(finalize, made.picture)


def _route_ends_at(job: Job) -> datetime:
    if job.route.failure_answer is FailureAnswer.ERROR:
        return job.expires_at
    return route_ends_at(job.expires_at, job.created_at)
