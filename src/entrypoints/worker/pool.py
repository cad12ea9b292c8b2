"""The job pool of a worker: takes jobs from the queue, runs several concurrently, releases those it cannot finish."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from datetime import timedelta
from uuid import UUID

import msgspec

from ...core.domain.deadlines import LEASE
from ...core.domain.errors import PhotoChangerError, QueueUnavailable
from ...core.domain.job import Claim, FailureReason
from ...core.domain.trace_context import trace_id_of
from ...core.domain.worker import URGENT_JOBS
from ...core.ports.job_queue import JobQueue, JobSignals, WorkSubscription
from ...core.ports.telemetry import Fact, Telemetry
from ...core.services.jobs.acquisition import JobAcquisition
from ...core.services.jobs.completion import JobCompletion
from ...core.services.jobs.processor import JobProcessor
from ...core.services.support.concurrency import BackgroundTasks, Supervisor, cancel_and_wait, race
from ...core.services.support.null_telemetry import NULL_TELEMETRY
from ..logging_setup import correlated
from ..process.stop_limits import LONGEST_WORK

_log = logging.getLogger("photochanger.worker")

_POLL = timedelta(seconds=5)
"""How often an idle pool looks without a wake-up, which is sent also for a job whose first one was lost."""

_POLL_WITHIN_LIMITS = timedelta(seconds=1)
"""The same where another process may give back a provider's permit, which sends no wake-up."""

_URGENT_POLL = timedelta(milliseconds=500)
"""How often a pool without a free place looks for urgent jobs."""

_OUTAGE_PAUSE = timedelta(seconds=1)
MAX_ATTEMPTS = 5
"""After this many attempts that ended in an unforeseen error the job fails instead of being released again."""

GRACE = LONGEST_WORK
"""Longer than any window that can be set: a job ends at its own deadline."""


class PoolOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a job pool.

    Attributes:
        concurrency: the most jobs that run at the same time.
        lease: how long a job belongs to this worker without a renewal.
        grace: how long running jobs may go on after the stop signal before they are released.
    """

    concurrency: int
    lease: timedelta = LEASE
    grace: timedelta = GRACE


def worker_name() -> str:
    """A unique worker name: host, process id, random suffix."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class WorkerPool:
    """Runs jobs concurrently on this event loop."""

    def __init__(
        self,
        *,
        completion: JobCompletion,
        queue: JobQueue,
        signals: JobSignals,
        processing: JobProcessor,
        acquisition: JobAcquisition,
        options: PoolOptions,
        telemetry: Telemetry = NULL_TELEMETRY,
    ) -> None:
        self.name = worker_name()
        self._completion = completion
        self._queue = queue
        self._signals = signals
        self._processing = processing
        self._acquisition = acquisition
        self._options = options
        self._telemetry = telemetry
        self._tasks = BackgroundTasks()
        self._running: dict[UUID, tuple[Claim, asyncio.Task[None]]] = {}
        self._urgent: set[UUID] = set()
        self._changed = asyncio.Event()
        self._looks = True
        """Whether a job may wait in the queue that no wake-up will be sent for."""

        self._after_outage = False
        self._renewed_at = 0.0
        """When the leases were renewed, by the clock of the event loop."""

        self._stopping = False
        self._ends_at = 0.0
        """When running jobs are released in a stop, by the clock of the event loop."""

    @property
    def concurrency(self) -> int:
        """The most jobs that run at the same time."""
        return self._options.concurrency

    @property
    def running(self) -> int:
        """How many jobs run now, without the urgent ones."""
        return len(self._running) - len(self._urgent)

    def stop(self, grace: timedelta | None = None) -> None:
        """Take no more jobs; `run` returns when the running jobs have ended or are released, after `grace` at the
        latest. A further call may shorten it."""
        grace = self._options.grace if grace is None else grace
        ends_at = asyncio.get_running_loop().time() + grace.total_seconds()
        self._ends_at = min(self._ends_at, ends_at) if self._stopping else ends_at
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Work until `stop` is called. Cancellation releases running jobs immediately, and so does an unforeseen error
        of the pool itself, which is raised."""
        supervisor = Supervisor()
        try:
            async with supervisor.guard(), supervisor.supervised(self._renew_leases(), name="lease renewal"):
                await self._take_jobs()
                await self._finish()
        finally:
            await cancel_and_wait(*(task for _, task in self._running.values()))
            await self._processing.close()

    async def _take_jobs(self) -> None:
        """Be idle for other processes only while a job can begin here."""
        while not self._stopping:
            with self._signals.work() as work:
                await self._take_until_full(work)
            await self._wait_for_a_place()

    async def _take_until_full(self, work: WorkSubscription) -> None:
        while not self._stopping and (free := self.concurrency - self.running) > 0:
            self._changed.clear()
            try:
                await self._renew_if_late()
                if self._looks:
                    claims = await self._acquisition.acquire(
                        self.name, n=free, lease=self._options.lease, running=self._running
                    )
                    self._looks = False
                    for claim in claims:
                        self._start(claim)
                within_limits = self._acquisition.within_limits
                if within_limits:  # else it takes any job that waits
                    await self._take_urgent_jobs()
            except QueueUnavailable as error:
                await self._pause(error)
                continue
            if self.running < self.concurrency:
                poll = _POLL_WITHIN_LIMITS if within_limits else _POLL
                work.places = self.concurrency - self.running
                ended, _ = await race(work.wait(poll), self._changed.wait())
                # The last look has left nothing, and what came since has its wake-up. So the end of a job is a reason
                # to look only where it gives back a provider's permit.
                self._looks = ended == 0 or within_limits

    async def _wait_for_a_place(self) -> None:
        with self._signals.any_change() as change:
            while not self._stopping and self.running >= self.concurrency:
                self._changed.clear()
                try:
                    await self._renew_if_late()
                    await self._take_urgent_jobs()
                except QueueUnavailable as error:
                    await self._pause(error)
                    continue
                await race(change.wait(_URGENT_POLL), self._changed.wait())
        self._looks = self._acquisition.within_limits or self._looks

    async def _renew_if_late(self) -> None:
        """Before anything is acquired: leases may have expired after an outage, or if this process stood still, and its
        own jobs must not be acquired again."""
        late_at = self._renewed_at + self._options.lease.total_seconds() / 2
        if self._after_outage or asyncio.get_running_loop().time() >= late_at:
            await self._renew()
            self._after_outage = False

    async def _pause(self, error: QueueUnavailable) -> None:
        self._after_outage = self._looks = True
        _log.warning("acquiring jobs failed: %s", error.detail)
        await race(asyncio.sleep(_OUTAGE_PAUSE.total_seconds()), self._changed.wait())

    async def _take_urgent_jobs(self) -> None:
        """Begin with jobs that need no place of their own: they end at once, or work on this machine only."""
        free = URGENT_JOBS - len(self._urgent)
        if free > 0:
            for claim in await self._acquisition.acquire_urgent(self.name, n=free, lease=self._options.lease):
                self._urgent.add(claim.job.id)
                self._start(claim)

    def _start(self, claim: Claim) -> None:
        if (own := self._running.get(claim.job.id)) is not None:
            # While this process stood still, another worker took the job and gave it back.
            _log.info("job %s begins again: its lease was lost", claim.job.id)
            own[1].cancel()
        task = self._tasks.start(self._work(claim), name=f"job {claim.job.id}")
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
            await self._release(claim)
            raise
        except PhotoChangerError as error:
            _log.warning("job %s released: %s", claim.job.id, error.detail)
            await self._release(claim)
        except Exception:
            # The job must not end the worker; another attempt within its window may succeed.
            _log.exception("job %s failed: unforeseen error", claim.job.id)
            await self._release(claim) if claim.attempt < MAX_ATTEMPTS else await self._fail(claim)
        finally:
            if (own := self._running.get(claim.job.id)) is not None and own[0] is claim:
                del self._running[claim.job.id]
                self._urgent.discard(claim.job.id)
            self._changed.set()

    async def _fail(self, claim: Claim) -> None:
        try:
            await self._completion.fail(
                claim.job,
                FailureReason.PROVIDER_ERROR,
                error_code="provider_failed",
                detail="The job failed with an internal error; see the server log.",
                claim=claim,
            )
        except PhotoChangerError as error:
            _log.warning("job %s could not be failed; its lease will expire: %s", claim.job.id, error.detail)

    async def _release(self, claim: Claim) -> None:
        try:
            await self._queue.release(claim)
        except PhotoChangerError as error:
            _log.warning("job %s could not be released; its lease will expire: %s", claim.job.id, error.detail)

    async def _renew_leases(self) -> None:
        """Keep the leases of running jobs; cancel the work on those that belong to another worker by now."""
        while True:
            await asyncio.sleep(self._options.lease.total_seconds() / 3)
            try:
                await self._renew()
            except QueueUnavailable as error:
                _log.warning("lease renewal failed: %s", error.detail)

    async def _renew(self) -> None:
        claims, now = [claim for claim, _ in self._running.values()], asyncio.get_running_loop().time()
        ours = await self._queue.renew(claims, lease=self._options.lease) if claims else set()
        self._renewed_at = now
        for claim in claims:
            running = self._running.get(claim.job.id)
            if claim.job.id not in ours and running is not None and running[0] is claim:
                _log.info("job %s cancelled: its lease was lost", claim.job.id)
                running[1].cancel()

    async def _finish(self) -> None:
        """Wait for the running jobs while the grace lasts."""
        while self._running and (left := self._ends_at - asyncio.get_running_loop().time()) > 0:
            self._changed.clear()
            await race(asyncio.sleep(left), self._changed.wait())
