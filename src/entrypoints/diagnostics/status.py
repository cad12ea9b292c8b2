"""Summary of a running service: queue, workers, providers, disk, and recent failures."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from dishka import AsyncContainer

from ...core.domain.errors import StorageUnavailable
from ...core.domain.job import JobState, QueueDepth
from ...core.domain.pagination import JobFilter, JobOrder
from ...core.domain.routing.provider_usage import ProviderHealth
from ...core.domain.worker import WorkerStatus
from ...core.ports.clock import Clock
from ...core.ports.job_queue import JobQueue
from ...core.ports.provider_limits import ProviderLimits
from ...core.ports.repositories.job_repository import JobRepository
from ...core.ports.workers import WorkerRegistry
from ...core.services.media.disk_space import DiskSpace
from ...core.services.providers.registry import ProviderRegistry
from ...core.services.support.database_clock import ClockOffset
from .report import clock_offset

LAST_FAILURES = 5


class DiskStatus(msgspec.Struct, frozen=True):
    """Disk space of the media store in bytes; `free_bytes` is None if it is unknown."""

    free_bytes: int | None
    floor_bytes: int
    enough: bool


class ClockStatus(msgspec.Struct, frozen=True):
    """How far the clock of this machine is ahead of the database's, whose clock jobs follow, give or take the error."""

    ahead_seconds: float
    error_seconds: float


class FailedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that ended without a provider's picture, and why."""

    job_id: UUID
    slot_id: str
    code: str
    provider_id: str | None
    ended_at: datetime
    age_seconds: float


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The service at one moment; `providers` by ID, `disk` of the media store, `clock` of this machine."""

    at: datetime
    queue: QueueDepth
    workers: tuple[WorkerStatus, ...]
    providers: dict[str, ProviderHealth]
    disk: DiskStatus
    clock: ClockStatus
    last_failures: tuple[FailedJob, ...]


async def collect_status(container: AsyncContainer) -> Status:
    """The service now, from its database and media store. QueueUnavailable."""
    now = (await container.get(Clock)).now()
    return Status(
        at=now,
        queue=await (await container.get(JobQueue)).depth(),
        workers=tuple(await (await container.get(WorkerRegistry)).all()),
        providers=await _providers(await container.get(ProviderLimits), await container.get(ProviderRegistry)),
        disk=await _disk(await container.get(DiskSpace)),
        clock=_clock(await clock_offset(container)),
        last_failures=await _failures(await container.get(JobRepository), now),
    )


def status_body(status: Status) -> dict[str, Any]:
    """The status as JSON objects."""
    return {
        "at": status.at,
        "queue": status.queue,
        "workers": [_worker_body(worker) for worker in status.workers],
        "providers": [_provider_body(id, health) for id, health in status.providers.items()],
        "disk": status.disk,
        "clock": status.clock,
        "last_failures": status.last_failures,
    }


def _worker_body(worker: WorkerStatus) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(worker.report),
        "started_at": worker.started_at,
        "age_seconds": round(worker.age.total_seconds(), 1),
        "silent": worker.silent,
    }


def _provider_body(id: str, health: ProviderHealth) -> dict[str, Any]:
    body = {"id": id, **msgspec.structs.asdict(health.standing)}
    del body["pace"]
    return body


async def _providers(limits: ProviderLimits, registry: ProviderRegistry) -> dict[str, ProviderHealth]:
    infos = [provider.info for provider in registry.all()]
    known = {info.id: ProviderHealth() for info in infos if not info.on_this_machine} | await limits.health()
    return dict(sorted(known.items()))


async def _disk(space: DiskSpace) -> DiskStatus:
    try:
        room = await space.room()
    except StorageUnavailable:  # the check of the store says why; everything else can be shown
        return DiskStatus(None, space.floor_bytes, enough=False)
    return DiskStatus(room.free_bytes, room.floor_bytes, room.enough)


def _clock(offset: ClockOffset) -> ClockStatus:
    return ClockStatus(*(round(span.total_seconds(), 3) for span in (offset.ahead, offset.error)))


async def _failures(jobs: JobRepository, now: datetime) -> tuple[FailedJob, ...]:
    wanted = JobFilter(states=(JobState.FAILED, JobState.TIMED_OUT))
    page = await jobs.find(wanted, order=JobOrder.ENDED_LAST, limit=LAST_FAILURES)
    return tuple(
        FailedJob(
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
