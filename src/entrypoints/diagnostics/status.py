"""What an operator sees at a glance: queue, workers, providers, disk, and what failed last."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from dishka import AsyncContainer

from ...core.domain.errors import StorageUnavailable
from ...core.domain.job import JobFilter, JobOrder, JobState
from ...core.domain.provider_usage import Breaker, ProviderHealth
from ...core.ports.clock import Clock
from ...core.ports.job_queue import JobQueue
from ...core.ports.job_repository import JobRepository
from ...core.ports.provider_limits import ProviderLimits
from ...core.ports.workers import WorkerRegistry
from ...core.services.media.disk_space import DiskSpace
from ...core.services.providers.registry import ProviderRegistry

LAST_FAILURES = 5


class ShownQueue(msgspec.Struct, frozen=True):
    """How many jobs are live, by state and by the provider that is asked first."""

    pending: int
    processing: int
    by_provider: dict[str, int]


class ShownWorker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process; `silent` says that it has not told of itself for too long."""

    name: str
    host: str
    pid: int
    running: int
    concurrency: int
    version: str
    started_at: datetime
    age_seconds: float
    silent: bool


class ShownProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider of another machine; `health` is the share of its last calls that made a picture, None before the
    first."""

    id: str
    breaker: Breaker
    open_until: datetime | None
    health: float | None
    calls_last_minute: int
    calls_today: int


class ShownDisk(msgspec.Struct, frozen=True):
    """The room in the media store in bytes; `free_bytes` is None where it cannot be told."""

    free_bytes: int | None
    floor_bytes: int
    enough: bool


class ShownFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A job that ended without a picture of a provider, and why."""

    job_id: UUID
    slot_id: str
    code: str
    provider_id: str | None
    ended_at: datetime
    age_seconds: float


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one moment."""

    at: datetime
    queue: ShownQueue
    workers: tuple[ShownWorker, ...]
    providers: tuple[ShownProvider, ...]
    disk: ShownDisk
    last_failures: tuple[ShownFailure, ...]


async def collect_status(container: AsyncContainer) -> Status:
    """The service as it is now, by its database and media store. QueueUnavailable."""
    now = (await container.get(Clock)).now()
    depth = await (await container.get(JobQueue)).depth()
    return Status(
        at=now,
        queue=ShownQueue(depth.pending, depth.processing, depth.by_provider),
        workers=await _workers(await container.get(WorkerRegistry)),
        providers=await _providers(await container.get(ProviderLimits), await container.get(ProviderRegistry)),
        disk=await _disk(await container.get(DiskSpace)),
        last_failures=await _failures(await container.get(JobRepository), now),
    )


def json_text(status: Status) -> str:
    """For scripts."""
    return msgspec.json.format(msgspec.json.encode(status), indent=2).decode()


async def _workers(registry: WorkerRegistry) -> tuple[ShownWorker, ...]:
    return tuple(
        ShownWorker(
            name=seen.report.name,
            host=seen.report.host,
            pid=seen.report.pid,
            running=seen.report.running,
            concurrency=seen.report.concurrency,
            version=seen.report.version,
            started_at=seen.started_at,
            age_seconds=round(seen.age.total_seconds(), 1),
            silent=seen.silent,
        )
        for seen in await registry.all()
    )


async def _providers(limits: ProviderLimits, catalogue: ProviderRegistry) -> tuple[ShownProvider, ...]:
    infos = [provider.info for provider in catalogue.all()]
    standings = {info.id: ProviderHealth() for info in infos if not info.on_this_machine} | await limits.health()
    return tuple(
        ShownProvider(
            id=id,
            breaker=standing.breaker,
            open_until=standing.open_until,
            health=standing.health,
            calls_last_minute=standing.calls_last_minute,
            calls_today=standing.calls_today,
        )
        for id, standing in sorted(standings.items())
    )


async def _disk(space: DiskSpace) -> ShownDisk:
    try:
        room = await space.room()
    except StorageUnavailable:  # the store's own check says how; everything else can still be shown
        return ShownDisk(None, space.floor_bytes, enough=False)
    return ShownDisk(room.free_bytes, room.floor_bytes, room.enough)


async def _failures(jobs: JobRepository, now: datetime) -> tuple[ShownFailure, ...]:
    wanted = JobFilter(states=(JobState.FAILED, JobState.TIMED_OUT))
    page = await jobs.find(wanted, order=JobOrder.ENDED_LAST, limit=LAST_FAILURES)
    return tuple(
        ShownFailure(
            job_id=job.id,
            slot_id=job.slot_id,
            code=job.error_code or str(job.failure_reason),
            provider_id=job.provider_id,
            ended_at=job.finalized_at,
            age_seconds=round(max((now - job.finalized_at).total_seconds(), 0.0), 1),
        )
        for job in page.items
        if job.finalized_at is not None
    )
