"""Pictures that arrive after the sync window: the call was paid for, so the guest's retry and the gallery get its
picture."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from ...domain.deadlines import LATE_RESCUE, LEASE, result_expires_at
from ...domain.errors import PhotoChangerError, QueueUnavailable
from ...domain.job import Claim, Job, JobState, Result
from ...domain.media import StoredPicture
from ...domain.results.files import result_keys
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.media_store import MediaStore
from ...ports.repositories.job_repository import JobRepository
from ..media.removal import remove_unused
from ..media.result_pictures import ResultPictures
from ..routing.outcome import RoutePicture, picture_of
from ..settings.service import SettingsService
from ..support.concurrency import cancel_and_wait, race

_log = logging.getLogger("photochanger.processing")

_LEASE = 2 * LEASE
"""How long a late call keeps its job's key without a renewal: longer than a restart of the database takes."""

_RENEWAL = LEASE / 3
_OUTAGE_PAUSE = timedelta(milliseconds=500)


class LateRescue:
    """Lets provider calls finish that were pending when their job timed out, and stores their pictures.

    Meanwhile the job keeps its idempotency key by a lease, so that a retry with it waits for the same call (ADR 49),
    and a worker that dies releases the key.
    """

    def __init__(
        self,
        *,
        queue: JobQueue,
        jobs: JobRepository,
        pictures: ResultPictures,
        store: MediaStore,
        settings: SettingsService,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._jobs = jobs
        self._pictures = pictures
        self._store = store
        self._settings = settings
        self._clock = clock

    async def rescue(self, claim: Claim, calls: Sequence[asyncio.Future[RoutePicture]]) -> None:
        """Wait for the calls until a minute past the job's deadline, and give the first picture to the timed-out job.

        The calls are cancelled where the job ended in any other way. Failures are logged, not raised.
        """
        kept: RoutePicture | None = None
        owned: StoredPicture | None = None
        certain = False
        until = claim.job.expires_at + LATE_RESCUE
        try:
            job = await self._jobs.get(claim.job.id)
            owned, certain = job.result.picture if job.result is not None else None, True
            if job.state is JobState.TIMED_OUT and calls:
                async with self._clock.timeout_at(until):
                    _, made = await race(_first_picture(claim.job, calls), self._keep_key(claim))
                if made is not None and await self._keep(job, made, until=until):
                    kept = made
                    _log.info("job %s got a late picture", job.id)
        except TimeoutError:
            _log.info("no late picture for job %s: timeout", claim.job.id)
        except PhotoChangerError as error:
            certain = False  # whether the job has the picture: the sweeper removes what no job owns
            _log.warning("late picture of job %s lost: %s", claim.job.id, error.detail)
        finally:
            if kept is None:
                await self._release_key(claim)
            await cancel_and_wait(*calls)
            for call in calls:
                made = picture_of(call)
                if made is not None and made is not kept and made.picture != owned and certain:
                    await self._pictures.discard(made.picture)

    async def _keep_key(self, claim: Claim) -> None:
        """Renew the late call's lease until cancelled."""
        while True:
            try:
                await self._queue.keep_late_call(claim, lease=_LEASE)
            except QueueUnavailable as error:
                _log.warning("late call of job %s not renewed: %s", claim.job.id, error.detail)
            await self._clock.sleep(_RENEWAL)

    async def _release_key(self, claim: Claim) -> None:
        try:
            await self._queue.end_late_call(claim)
        except QueueUnavailable as error:
            _log.warning("late call of job %s ends with its lease: %s", claim.job.id, error.detail)

    async def _keep(self, job: Job, made: RoutePicture, *, until: datetime) -> bool:
        """Whether the picture is the job's result now; an earlier failure answer is removed then."""
        retention = (await self._settings.current()).result_retention
        expires_at = result_expires_at(self._clock.now(), retention)
        result = Result(made.picture, expires_at, model=made.model, seed=made.seed)
        while True:
            try:
                rescued = await self._queue.rescue(job.id, result, replaces=job.result)
                break
            except QueueUnavailable:
                if self._clock.now() >= until:
                    raise
                await self._clock.sleep(_OUTAGE_PAUSE)
        if rescued and job.result is not None:
            for key in result_keys(job.result.file.key):
                await remove_unused(self._store, key)
        return rescued


async def _first_picture(job: Job, calls: Sequence[asyncio.Future[RoutePicture]]) -> RoutePicture | None:
    """The picture of the call that makes one first; None where none does."""
    running = set(calls)
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for call in done:
            if (made := picture_of(call)) is not None:
                return made
            error = None if call.cancelled() else call.exception()
            _log.info("no late picture for job %s: %s", job.id, error or "cancelled")
    return None
