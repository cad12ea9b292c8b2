"""Pictures that arrive after the sync window: the call was paid for, so the gallery gets its picture."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from ...domain.deadlines import LATE_RESCUE, result_expires_at
from ...domain.errors import PhotoChangerError
from ...domain.job import Job, JobState, Result
from ...domain.media import StoredPicture
from ...domain.result_files import result_keys
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.media_store import MediaStore
from ...ports.provider import ProviderError
from ...ports.repositories.job_repository import JobRepository
from ..media.result_pictures import ResultPictures
from ..routing.outcome import RoutePicture
from ..settings.service import SettingsService
from ..support.concurrency import cancel_and_wait

_log = logging.getLogger("photochanger.processing")


class LateRescue:
    """Lets provider calls finish that were pending when their job timed out, and stores their pictures."""

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

    async def rescue(self, job_id: UUID, call: asyncio.Future[RoutePicture]) -> None:
        """Wait for the call until a minute past the job's deadline, and give its picture to the timed-out job.

        The call is cancelled where the job ended in any other way. Failures of the call are logged, not raised.
        """
        try:
            job = await self._jobs.get(job_id)
            if job.state is not JobState.TIMED_OUT:
                return
            async with self._clock.timeout_at(job.expires_at + LATE_RESCUE):
                made = await call
            if await self._keep(job, made.picture):
                _log.info("job %s got a late picture", job.id)
            else:
                await self._pictures.discard(made.picture)
        except (ProviderError, TimeoutError) as error:
            _log.info("no late picture for job %s: %s", job_id, error or "timeout")
        except PhotoChangerError as error:
            _log.warning("late picture of job %s lost: %s", job_id, error.detail)
        finally:
            await cancel_and_wait(call)

    async def _keep(self, job: Job, picture: StoredPicture) -> bool:
        """Whether the picture is the job's result now; an earlier failure answer is removed then."""
        retention = (await self._settings.current()).result_retention
        result = Result(picture, result_expires_at(self._clock.now(), retention))
        if not await self._queue.rescue(job.id, result, replaces=job.result):
            return False
        if job.result is not None:
            for key in result_keys(job.result.file.key):
                await self._store.delete(key)
        return True
