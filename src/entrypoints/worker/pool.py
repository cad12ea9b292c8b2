"""Workers: a pool that takes jobs from the queue, works on several at once, and hands back what it cannot finish.

Beside it the webhooks of jobs that have ended are delivered.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from datetime import timedelta
from uuid import UUID

from ...core.domain.deadlines import LEASE
from ...core.domain.errors import PhotoChangerError, QueueUnavailable
from ...core.domain.job import Claim, FailureReason
from ...core.domain.trace_context import trace_id_of
from ...core.ports.job_queue import JobQueue, JobSignals
from ...core.ports.telemetry import Fact, Telemetry
from ...core.services.jobs.completion import JobCompletion
from ...core.services.jobs.processor import JobProcessor
from ...core.services.providers.registry import ProviderRegistry
from ...core.services.settings.service import SettingsService
from ...core.services.support.null_telemetry import NULL_TELEMETRY
from ..logging_setup import correlated

_log = logging.getLogger("photochanger.worker")

_POLL = timedelta(seconds=1)
_OUTAGE_PAUSE = timedelta(seconds=1)
MAX_ATTEMPTS = 5
"""After this many attempts that ended in an unforeseen error the job is failed rather than handed back again."""

GRACE = timedelta(seconds=20)
"""How long running jobs may go on after the stop signal before they are handed back."""


def worker_name() -> str:
    """A name that no other worker has: host, process, chance."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class WorkerPool:
    """Up to `concurrency` jobs at once on this event loop."""

    def __init__(
        self,
        *,
        completion: JobCompletion,
        queue: JobQueue,
        signals: JobSignals,
        processing: JobProcessor,
        providers: ProviderRegistry,
        settings: SettingsService,
        concurrency: int,
        lease: timedelta = LEASE,
        grace: timedelta = GRACE,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self.name = worker_name()
        self._completion = completion
        self._queue = queue
        self._signals = signals
        self._processing = processing
        self._providers = providers
        self._settings = settings
        self._concurrency = concurrency
        self._lease = lease
        self._grace = grace
        self._telemetry = telemetry
        self._running: dict[UUID, tuple[Claim, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self._stopping = False

    @property
    def concurrency(self) -> int:
        """The most jobs at once."""
        return self._concurrency

    @property
    def running(self) -> int:
        """How many jobs are worked on at this moment."""
        return len(self._running)

    def stop(self) -> None:
        """Take nothing new; `run` returns when the running jobs are done or handed back."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Work until `stop` is called. Cancellation stops at once: running jobs are handed back."""
        renewing = asyncio.ensure_future(self._renew_leases())
        try:
            await self._take_jobs()
            await self._finish(self._grace)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._finish(timedelta(0))
            await self._processing.close()

    async def _take_jobs(self) -> None:
        with self._signals.work() as work:
            while not self._stopping:
                self._changed.clear()
                free = self._concurrency - len(self._running)
                claims: list[Claim] = []
                if free > 0:
                    try:
                        limits = self._providers.concurrency_limits(await self._settings.current())
                        claims = await self._queue.acquire(self.name, n=free, lease=self._lease, limits=limits or None)
                    except QueueUnavailable as error:
                        _log.warning("no job can be taken: %s", error.detail)
                        await self._either(asyncio.sleep(_OUTAGE_PAUSE.total_seconds()))
                        continue
                for claim in claims:
                    self._start(claim)
                if len(claims) < free:
                    await self._either(work.wait(_POLL))
                elif len(self._running) >= self._concurrency:
                    await self._changed.wait()

    async def _either(self, waiting: object) -> None:
        """Wait for this, or until a job is done or the pool is to stop."""
        first = asyncio.ensure_future(waiting)  # type: ignore[call-overload]
        second = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (first, second):
                task.cancel()
            await asyncio.gather(first, second, return_exceptions=True)

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._work(claim), name=f"job {claim.job.id}")
        self._running[claim.job.id] = (claim, task)

    async def _work(self, claim: Claim) -> None:
        job = claim.job
        facts: dict[str, Fact] = {"job_id": str(job.id), "slot_id": job.slot_id, "attempt": claim.attempt}
        with (
            self._telemetry.span("job", facts, parent=job.trace),
            correlated(job_id=str(job.id), slot_id=job.slot_id, trace_id=trace_id_of(self._telemetry.trace())),
        ):
            await self._work_on(claim)

    async def _work_on(self, claim: Claim) -> None:
        try:
            await self._processing.run(claim)
        except asyncio.CancelledError:
            await self._hand_back(claim)
            raise
        except PhotoChangerError as error:
            _log.warning("job %s is handed back: %s", claim.job.id, error.detail)
            await self._hand_back(claim)
        except Exception:
            # The job must not take the worker with it; another attempt within its window may do better.
            _log.exception("job %s met an unforeseen error", claim.job.id)
            await self._hand_back(claim) if claim.attempt < MAX_ATTEMPTS else await self._give_up(claim)
        finally:
            self._running.pop(claim.job.id, None)
            self._changed.set()

    async def _give_up(self, claim: Claim) -> None:
        try:
            await self._completion.fail(
                claim.job,
                FailureReason.PROVIDER_ERROR,
                error_code="provider_failed",
                detail="The job could not be worked on; the log of the service says why.",
                claim=claim,
            )
        except PhotoChangerError as error:
            _log.warning("job %s is left to its lease: %s", claim.job.id, error.detail)

    async def _hand_back(self, claim: Claim) -> None:
        try:
            await self._queue.release(claim)
        except PhotoChangerError as error:
            _log.warning("job %s is left to its lease: %s", claim.job.id, error.detail)

    async def _renew_leases(self) -> None:
        """Keep the leases of running jobs; stop the work on those that are no longer ours."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            claims = [claim for claim, _ in self._running.values()]
            if not claims:
                continue
            try:
                ours = await self._queue.renew(claims, lease=self._lease)
            except QueueUnavailable as error:
                _log.warning("leases could not be renewed: %s", error.detail)
                continue
            for claim in claims:
                running = self._running.get(claim.job.id)
                if claim.job.id not in ours and running is not None and running[0] is claim:
                    _log.info("job %s is no longer ours", claim.job.id)
                    running[1].cancel()

    async def _finish(self, grace: timedelta) -> None:
        """Give the running jobs this long, then hand them back."""
        tasks = [task for _, task in self._running.values()]
        if not tasks:
            return
        if grace > timedelta(0):
            await asyncio.wait(tasks, timeout=grace.total_seconds())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
