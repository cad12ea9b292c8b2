"""PhotoChanger inside another Python service: the same wiring without the command line, and a face of few names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from dishka import AsyncContainer

from ...adapters.postgres import Database
from ...core.domain.errors import JobFinalized, MediaNotFound
from ...core.domain.job import Job, JobSource
from ...core.domain.media import one_chunk
from ...core.ports.job_queue import JobQueue
from ...core.ports.job_service import JobService
from ...core.ports.media_service import MediaService
from ...core.ports.media_store import MediaStore
from ...core.ports.slot_repository import SlotRepository
from ...core.ports.stats_service import StatsService
from ...core.services.maintenance.sweeper import Sweeper
from ..bootstrap import migrate_database, seed_quietly
from ..config import Settings
from ..container import make_container
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
        """Hand in a photo: a path, its bytes, or any async stream of bytes. Raises what `JobService.submit` raises,
        and OSError where a path cannot be read."""
        return await self.service.submit(
            slot_id,
            _stream(photo),
            source=JobSource.LIBRARY,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )

    async def wait(self, job_id: UUID) -> Job:
        """The job at its end: `state`, `result`, `failure_reason`, `error_code`. JobNotFound, QueueUnavailable."""
        return await self.service.wait(job_id)

    async def cancel(self, job_id: UUID) -> Job:
        """Stop a job; one that has ended is returned as it is. JobNotFound."""
        try:
            return await self.service.cancel(job_id)
        except JobFinalized:
            return await self.service.get(job_id)

    async def picture(self, job_id: UUID) -> bytes:
        """The finished picture; MediaNotFound where the job has none, MediaExpired after its time."""
        file = (await self._media.public_result(job_id)).file
        data = b"".join([chunk async for chunk in self._store.open(file.key)])
        if not data:
            raise MediaNotFound("The picture of this job is gone.")
        return data


class PhotoChanger:
    """An open PhotoChanger. Make one with `PhotoChanger.open`.

    Attributes:
        jobs: hand in photos, wait for them, fetch the pictures.
        media, slots, stats: the same ports that the HTTP shell uses.
        container: the wiring, for everything else by port type.
        database: the PostgreSQL behind it; None with adapters that need none.
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
        """Start everything these settings ask for, workers included, and stop it at the end of the block.

        `adapters` maps port types to objects that stand behind them instead, such as `memory_adapters()`: without a
        database and without files. Raises ConfigurationError, QueueUnavailable, StorageUnavailable.
        """
        settings = settings or Settings()
        container = make_container(settings, adapters)
        try:
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
            async with _background(container, settings):
                yield app
        finally:
            await container.close()


@asynccontextmanager
async def _background(container: AsyncContainer, settings: Settings) -> AsyncIterator[None]:
    """The workers and the sweeper on the embedding service's own loop."""
    worker = await container.get(Worker) if settings.workers else None
    sweeper = await container.get(Sweeper)
    sweeping = asyncio.create_task(sweeper.run())
    working = asyncio.create_task(worker.run()) if worker else None
    try:
        yield
    finally:
        if worker is not None and working is not None:
            worker.stop()
            await working
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


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
