"""Pictures that came too late for their guest: the call was paid for, so the gallery gets what it made."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from ...domain.deadlines import LATE_RESCUE, result_expires_at
from ...domain.errors import PhotoChangerError
from ...domain.job import Job, JobState, Result
from ...domain.media import StoredPicture
from ...domain.result_files import photo_key, preview_key
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.job_service import JobService
from ...ports.media_store import MediaStore
from ...ports.provider import ProviderError
from ..routing.attempt import RoutePicture
from ..settings.service import SettingsService

_log = logging.getLogger("photochanger.processing")


class LateRescue:
    """Lets calls that were left behind at the end of their window finish, and keeps their pictures."""

    def __init__(
        self, *, queue: JobQueue, jobs: JobService, store: MediaStore, settings: SettingsService, clock: Clock
    ) -> None:
        self._queue = queue
        self._jobs = jobs
        self._store = store
        self._settings = settings
        self._clock = clock

    async def rescue(self, job_id: UUID, call: asyncio.Future[RoutePicture]) -> None:
        """Wait for the call, a minute past the job's deadline at most, and give its picture to the job that timed out.

        Whatever else became of the job, cancelled ones above all, the call is stopped. Never raises for the call's own
        trouble.
        """
        try:
            job = await self._jobs.get(job_id)
            if job.state is not JobState.TIMED_OUT:
                return
            async with self._clock.timeout_at(job.expires_at + LATE_RESCUE):
                made = await call
            if await self._keep(job, made.picture):
                _log.info("job %s got its picture after its window", job.id)
            else:
                await self._jobs.discard_picture(made.picture)
        except (ProviderError, TimeoutError) as error:
            _log.info("no late picture for job %s: %s", job_id, error or "it took too long")
        except PhotoChangerError as error:
            _log.warning("a late picture of job %s is lost: %s", job_id, error.detail)
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    async def _keep(self, job: Job, picture: StoredPicture) -> bool:
        """Whether the picture is the job's now; what answered for it until then is removed."""
        retention = (await self._settings.current()).result_retention
        result = Result(picture, result_expires_at(self._clock.now(), retention))
        if not await self._queue.rescue(job.id, result, replaces=job.result):
            return False
        if job.result is not None:
            await self._store.delete(job.result.file.key)
            await self._store.delete(preview_key(job.result.file.key))
            await self._store.delete(photo_key(job.result.file.key))
        return True
