"""Purges what has expired and finalizes what nobody waits for. Safe to run in several processes at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import datetime, timedelta
from itertools import count

import msgspec

from ...domain.deadlines import ORPHAN_GRACE
from ...domain.errors import PhotoChangerError
from ...domain.media import MediaKey, MediaKind
from ...domain.result_files import photo_key, preview_key
from ...domain.webhook import DEAD_LIFE, DELIVERED_LIFE
from ...domain.worker import FORGOTTEN_AFTER
from ...ports.accounts import FailureCounter
from ...ports.audit_log import AuditLog
from ...ports.clock import Clock
from ...ports.job_queue import JobQueue
from ...ports.job_repository import JobRepository
from ...ports.media_repository import MediaRepository
from ...ports.media_store import MediaStore
from ...ports.result_index import ResultIndex
from ...ports.slot_repository import TemplateRepository
from ...ports.telemetry import Telemetry
from ...ports.webhooks import WebhookOutbox
from ...ports.workers import WorkerRegistry
from ..slots.last_request import LastRequestLog
from ..stats.retention import Retention
from ..support.null_telemetry import NULL_TELEMETRY

_log = logging.getLogger("photochanger.sweeper")

EVERY = timedelta(seconds=60)
_ORPHANS_EVERY_ROUNDS = 15
_BATCH = 200
_PREVIEW_LIFE = timedelta(minutes=5)
_AUDIT_LIFE = timedelta(days=400)
"""How long the audit log goes back: over a whole season and the one before it."""


_InUse = Callable[[Collection[MediaKey]], Awaitable[set[MediaKey]]]


class SweepReport(msgspec.Struct, frozen=True, kw_only=True):
    """How much a sweep removed or ended."""

    jobs_timed_out: int = 0
    results: int = 0
    media_objects: int = 0
    previews: int = 0
    audit_entries: int = 0
    failure_counts: int = 0
    webhook_deliveries: int = 0
    workers: int = 0
    last_requests: int = 0
    old_jobs: int = 0
    orphans: int = 0
    partial_files: int = 0

    def __add__(self, other: SweepReport) -> SweepReport:
        return SweepReport(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Sweeper:
    """The background task that keeps the promise of SPEC §3.7."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        jobs: JobRepository,
        results: ResultIndex,
        media: MediaRepository,
        templates: TemplateRepository,
        audit: AuditLog,
        failures: FailureCounter,
        outbox: WebhookOutbox,
        workers: WorkerRegistry,
        history: Retention,
        last_requests: LastRequestLog,
        store: MediaStore,
        clock: Clock,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self._queue = queue
        self._jobs = jobs
        self._results = results
        self._media = media
        self._templates = templates
        self._audit = audit
        self._failures = failures
        self._outbox = outbox
        self._workers = workers
        self._history = history
        self._last_requests = last_requests
        self._store = store
        self._clock = clock
        self._telemetry = telemetry

    async def run(self) -> None:
        """Sweep now and every minute, orphans every fifteen, until cancelled. Trouble is logged and waited out."""
        for round_number in count():
            try:
                report = await self.sweep_expired()
                if round_number % _ORPHANS_EVERY_ROUNDS == 0:
                    report += await self.sweep_orphans()
                self._telemetry.swept(msgspec.structs.asdict(report))
                if report != SweepReport():
                    _log.info("swept: %s", report)
            except PhotoChangerError as error:
                _log.warning("this sweep was cut short: %s", error.detail)
            except (
                Exception
            ):  # a defect in one step must not end all later sweeps: photos of guests would stay for good
                _log.exception("this sweep was cut short")
            await self._clock.sleep(EVERY)

    async def sweep_expired(self) -> SweepReport:
        """Finalize jobs past their deadline; remove expired results, media objects, previews, old jobs and what is
        remembered no longer; count ended jobs into the sums of statistics.

        Raises QueueUnavailable, StorageUnavailable.
        """
        now = self._clock.now()
        report = SweepReport(
            jobs_timed_out=await _in_batches(self._time_out_jobs),
            results=await _in_batches(self._purge_results),
            media_objects=await _in_batches(self._purge_media),
            previews=await _in_batches(
                lambda: self._results.clear_previews(finalized_before=now - _PREVIEW_LIFE, limit=_BATCH)
            ),
            audit_entries=await _in_batches(lambda: self._audit.prune(before=now - _AUDIT_LIFE, limit=_BATCH)),
            failure_counts=await self._failures.prune(now=now),
            webhook_deliveries=await _in_batches(
                lambda: self._outbox.prune(
                    delivered_before=now - DELIVERED_LIFE, dead_before=now - DEAD_LIFE, limit=_BATCH
                )
            ),
            workers=await self._workers.prune(silent_for=FORGOTTEN_AFTER),
            last_requests=await self._last_requests.prune(),
            old_jobs=await self._history.prune(),
        )
        await self._history.fold()
        return report

    async def sweep_media_objects(self) -> SweepReport:
        """Remove the media objects that have expired, and files of that kind that are nobody's.

        Raises QueueUnavailable, StorageUnavailable.
        """
        older_than = self._clock.now() - ORPHAN_GRACE
        media_objects = await _in_batches(self._purge_media)
        orphans = await self._remove_orphans(MediaKind.MEDIA, self._media.in_use, older_than=older_than)
        return SweepReport(media_objects=media_objects, orphans=orphans)

    async def sweep_orphans(self, *, grace: timedelta = ORPHAN_GRACE) -> SweepReport:
        """Remove files older than `grace` that no job, no media object and no template owns.

        Raises QueueUnavailable, StorageUnavailable.
        """
        older_than = self._clock.now() - grace
        orphans = 0
        for kind, in_use in (
            (MediaKind.PAYLOADS, self._jobs.in_use),
            (MediaKind.RESULTS, self._jobs.in_use),
            (MediaKind.PREVIEWS, self._jobs.in_use),
            (MediaKind.MEDIA, self._media.in_use),
            (MediaKind.TEMPLATES, self._templates.in_use),
        ):
            orphans += await self._remove_orphans(kind, in_use, older_than=older_than)
        return SweepReport(orphans=orphans, partial_files=await self._store.remove_partial(older_than=older_than))

    async def _remove_orphans(self, kind: MediaKind, in_use: _InUse, *, older_than: datetime) -> int:
        orphans = 0
        async for keys in _batches(self._store.keys(kind, older_than=older_than)):
            used = await in_use(keys)
            for key in keys:
                if key not in used:
                    orphans += await self._store.delete(key)
        return orphans

    async def _time_out_jobs(self) -> int:
        ended = await self._queue.release_expired(limit=_BATCH)
        for job in ended:
            self._telemetry.job_ended(job.slot_id, job.source, job.failure_reason)
        for job in ended:
            await self._store.delete(job.photo.file.key)
        return len(ended)

    async def _purge_results(self) -> int:
        now = self._clock.now()
        jobs = await self._results.expired(now=now, limit=_BATCH)
        for job in jobs:
            if job.result is not None:
                await self._store.delete(job.result.file.key)
                await self._store.delete(preview_key(job.result.file.key))
                await self._store.delete(photo_key(job.result.file.key))
        await self._results.mark_purged([job.id for job in jobs], now=now)
        return len(jobs)

    async def _purge_media(self) -> int:
        now = self._clock.now()
        expired = await self._media.expired(now=now, limit=_BATCH)
        for media in expired:
            await self._store.delete(media.file.key)
        await self._media.remove([media.id for media in expired], now=now)
        return len(expired)


async def _in_batches(step: Callable[[], Awaitable[int]]) -> int:
    """Repeat a step while it finds whole batches; the sum of what it did."""
    total = 0
    while done := await step():
        total += done
        await asyncio.sleep(0)  # let requests through between batches
        if done < _BATCH:
            break
    return total


async def _batches(keys: AsyncIterator[MediaKey]) -> AsyncIterator[Collection[MediaKey]]:
    batch: list[MediaKey] = []
    async for key in keys:
        batch.append(key)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
