"""PhotoChanger inside another Python program: the same wiring without the command line, behind a small API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

from dishka import AsyncContainer

from ...adapters.imaging import ChildPool
from ...adapters.postgres import Database
from ...core.domain.errors import JobFinalized, MediaNotFound
from ...core.domain.job import Job, JobSource
from ...core.domain.media import one_chunk
from ...core.ports.job_queue import JobQueue
from ...core.ports.job_service import JobService
from ...core.ports.media_service import MediaService
from ...core.ports.media_store import MediaStore
from ...core.ports.repositories.slot_repository import SlotRepository
from ...core.ports.stats_service import StatsService
from ...core.services.jobs.deadlines import JobDeadlines
from ...core.services.maintenance.sweeper import Sweeper
from ...core.services.support.concurrency import Supervisor
from ..bootstrap import migrate_database, seed_quietly
from ..config import Settings
from ..container import make_container
from ..process.clock import kept_clock
from ..worker.worker import Worker

_CHUNK_BYTES = 256 * 1024


class EmbeddedJobs:
    """Jobs for embedding code: photos from paths, bytes or streams, pictures back as bytes."""

    def __init__(self, service: JobService, media: MediaService, store: MediaStore) -> None:
        self.service = service
        self._media = media
        self._store = store

    async def submit(
        self,
        slot_id: str,
        photo: Path | str | bytes | AsyncIterator[bytes],
        *,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a photo: a path, its bytes, or an async stream of bytes. Raises what `JobService.submit` raises, and
        OSError for a path that cannot be read."""
        return await self.service.submit(
            slot_id,
            _stream(photo),
            source=JobSource.LIBRARY,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )

    async def wait(self, job_id: UUID) -> Job:
        """Wait for the end of a job and return it. JobNotFound, QueueUnavailable."""
        return await self.service.wait(job_id)

    async def cancel(self, job_id: UUID) -> Job:
        """Cancel a job; an ended one is returned unchanged. JobNotFound."""
        try:
            return await self.service.cancel(job_id)
        except JobFinalized:
            return await self.service.get(job_id)

    async def picture(self, job_id: UUID) -> bytes:
        """The finished picture. MediaNotFound if the job has none, MediaExpired after its retention."""
        file = (await self._media.public_result(job_id)).file
        data = b"".join([chunk async for chunk in self._store.open(file.key)])
        if not data:
            raise MediaNotFound("The picture of this job has been deleted.")
        return data


class PhotoChanger:
    """An open PhotoChanger. Create one with `PhotoChanger.open`.

    Attributes:
        jobs: submit photos, wait for them, fetch the pictures.
        media, slots, stats: the ports that the HTTP API uses as well.
        container: the wiring, for everything else by port type.
        database: the PostgreSQL connection pool; None with adapters that need none.
    """

    def __init__(self, container: AsyncContainer, **parts: Any) -> None:
        self.container = container
        self.database: Database | None = parts["database"]
        self.jobs: EmbeddedJobs = parts["jobs"]
        self.media: MediaService = parts["media"]
        self.slots: SlotRepository = parts["slots"]
        self.stats: StatsService = parts["stats"]

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings | None = None, *, adapters: Mapping[Any, object] | None = None
    ) -> AsyncIterator[PhotoChanger]:
        """Start everything that the settings require, workers included, and stop it at the end of the block.

        `adapters` maps port types to objects that replace their implementation, such as `memory_adapters()`, which
        need no database and no files. Raises ConfigurationError, QueueUnavailable, StorageUnavailable.

        An unforeseen error of a background task (a worker, the sweeper, the LISTEN connection) cancels the block and is
        raised from it.
        """
        settings = settings or Settings()
        container = make_container(settings, adapters)
        try:
            supervisor = await container.get(Supervisor)
            async with supervisor.guard():
                database = None
                if JobQueue not in (adapters or {}):
                    database = await container.get(Database)
                    await migrate_database(container)
                await seed_quietly(container)
                jobs = await container.get(JobService)
                media = await container.get(MediaService)
                store = await container.get(MediaStore)
                app = cls(
                    container,
                    database=database,
                    jobs=EmbeddedJobs(jobs, media, store),
                    media=media,
                    slots=await container.get(SlotRepository),
                    stats=await container.get(StatsService),
                )
                clock = nullcontext() if database is None else kept_clock(container, process="embedded")
                async with clock, _background(container, supervisor, workers=settings.workers > 0):
                    yield app
        finally:
            await container.close()


@asynccontextmanager
async def _background(container: AsyncContainer, supervisor: Supervisor, *, workers: bool) -> AsyncIterator[None]:
    """Deadlines, sweeper and workers on the event loop of the embedding program."""
    deadlines, sweeper = await container.get(JobDeadlines), await container.get(Sweeper)
    async with (
        supervisor.supervised(deadlines.run(), name="job deadlines"),
        supervisor.supervised(sweeper.run(), name="sweeper"),
    ):
        if not workers:
            yield
            return
        worker = await container.get(Worker)
        await (await container.get(ChildPool)).keep_ready()
        async with supervisor.supervised(worker.run(), name="worker", stop=worker.stop):
            yield


def _stream(photo: Path | str | bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(photo, bytes):
        return one_chunk(photo)
    if isinstance(photo, str | Path):
        return _file_chunks(Path(photo))
    return photo


async def _file_chunks(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk
    finally:
        file.close()
