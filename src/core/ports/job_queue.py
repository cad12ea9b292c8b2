"""The queue of jobs and its wake-ups. It decides which worker has a job, and who finalizes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from ..domain.audit import AuditEntry
from ..domain.job import Claim, Job, JobSpec, LogEntry, Outcome, QueueDepth, Result
from ..domain.routing.capacity import EntryKey, QueueLoad


class PhotoHeld(Exception):
    """Requests of other processes wait for live jobs of the same photo, one of which may be the same client's.

    Attributes:
        job_ids: these jobs; empty where they have ended meanwhile.
    """

    def __init__(self, job_ids: Collection[UUID] = ()) -> None:
        super().__init__("held by another process")
        self.job_ids = frozenset(job_ids)


class JobQueue(Protocol):
    """Jobs from `pending` to their end. Every method may raise QueueUnavailable.

    Leases and deadlines are compared with the queue's own clock (the database's, or that of the memory adapter).
    """

    async def enqueue(self, job: JobSpec, *, max_active: int, asked: Collection[UUID] | None = None) -> Job:
        """Store a job, write its first log entry, wake a worker; all of it or nothing.

        Returns the stored job, also to a repeat with the same id, whose reply was lost. Stores nothing and returns an
        existing job (its id differs from `job.id`), even when the queue is full, where one already does this work:
        - a job of the same slot with the same idempotency key;
        - a job of the same slot and photo (by checksum) whose client disconnected, while it is live or has succeeded
          and its deadline has not passed, or while it has a late call. It is no longer abandoned then.

        With `asked`, and a job that is held by a process: PhotoHeld, and nothing is stored, where other processes hold
        live jobs of the same slot and photo that are not among those of `asked`.

        Raises QueueFull when `max_active` jobs are live. The bound is exact under concurrent calls. A job past its
        deadline does not count, even if it is not finalized yet.
        """
        ...

    async def acquire(
        self,
        worker: str,
        *,
        n: int,
        lease: timedelta,
        limits: Mapping[str, int] | None = None,
        running: Collection[UUID] = (),
    ) -> list[Claim]:
        """Claim up to `n` jobs, oldest first: pending ones, and processing ones whose lease has expired.

        Jobs past their deadline are skipped, and those that are `running` here: after a pause of this process their
        leases may have expired, and wait to be renewed. `limits` is the maximum of concurrent calls by provider: a job
        whose first route entry names a provider without a free permit is skipped too, unless it has more entries and
        half its window has passed; any other claim holds a permit of its first entry's provider, as after
        `ProviderLimits.acquire`. Two workers never get the same attempt of a job. Each claim carries the attempt number
        as fencing token and is logged.
        """
        ...

    async def acquire_urgent(
        self, worker: str, *, n: int, lease: timedelta, needs: Mapping[EntryKey, timedelta], local: Collection[str]
    ) -> list[Claim]:
        """Claim up to `n` pending jobs that gain nothing by waiting for their turn, oldest first:

        - those that no entry of their route can finish any more (`routing.capacity.is_hopeless`), by what a call to an
          entry needs; never one that has a provider's work to resume;
        - those that skip entries of their route and begin with one of the `local` providers.

        They hold no permit. Jobs past their deadline are skipped. Claims are as in `acquire`.
        """
        ...

    async def load(self) -> QueueLoad:
        """Return the live jobs before their deadline, the workers that are not silent, and the providers' health: what
        capacity is estimated from, in one read."""
        ...

    async def may_join(self, slot_id: str, *, idempotency_key: str | None) -> bool:
        """Return whether a photo on this slot may belong to an existing job: `enqueue` might return that one."""
        ...

    async def renew(self, claims: list[Claim], *, lease: timedelta) -> set[UUID]:
        """Extend the leases of these claims from now on; returns the ids of the jobs whose claim is still valid.

        A claim is invalid once its job is finalized, released or claimed again.
        """
        ...

    async def note_reference(self, claim: Claim, reference: str, *, entry: int) -> bool:
        """Save the provider's name of its work on the route entry of this number, for a later attempt to resume.

        False where the claim is not valid any more.
        """
        ...

    async def mark_finalized(
        self,
        job_id: UUID,
        outcome: Outcome,
        *,
        claim: Claim | None,
        audit: AuditEntry | None = None,
        attempts: Collection[LogEntry] = (),
    ) -> bool:
        """End a job by compare-and-set: outcome, log entry, statistics, audit entry, wake-up; all of it or nothing.

        `attempts` are entries of the processing log that come before that of the end.

        With a claim only while its attempt is the newest; without one (deadline, cancel) also while a worker has it.
        Returns False, and changes nothing, where the job is finalized already; True where that was an earlier call
        with this very result, whose answer was lost. A job that ends without a result loses its idempotency key, unless
        it times out with late rescue under a lease that lasts: then it has a late call as long as that lease.
        """
        ...

    async def keep_late_call(self, claim: Claim, *, lease: timedelta) -> bool:
        """Extend the late call of a job that timed out under this claim, from now on; False where it has none (left).

        Until then the job keeps its idempotency key.
        """
        ...

    async def end_late_call(self, claim: Claim) -> None:
        """End the late call of a job that timed out under this claim, with a wake-up.

        Without a result the job loses its idempotency key.
        """
        ...

    async def rescue(self, job_id: UUID, result: Result, *, replaces: Result | None) -> bool:
        """Store a late picture as the result of a timed-out job, with a log entry and a wake-up. It stays timed out.

        False, and nothing changes, where the job did not time out, its result is not `replaces`, its guest was erased
        or forgotten, or it has no late call any more and a later job of the same photo is live or has a result. True
        where an earlier call with this very result did it, whose answer was lost.
        """
        ...

    async def release(self, claim: Claim) -> bool:
        """Return a job to the queue, for another worker to claim; False where the claim is not valid any more."""
        ...

    async def abandon(self, job_id: UUID) -> None:
        """Record that the waiting client disconnected; the job goes on. No effect once the answer was sent."""
        ...

    async def ask(self, job_ids: Collection[UUID]) -> None:
        """Ask the processes that hold these live jobs whether their clients still wait, with a wake-up."""
        ...

    async def unconfirmed(self, job_ids: Collection[UUID]) -> set[UUID]:
        """Those of these jobs of which nobody has confirmed, since they were last asked about, that a client waits."""
        ...

    async def confirm(self, job_id: UUID) -> None:
        """Confirm that a client waits for this job, with a wake-up."""
        ...

    async def release_expired(self, *, limit: int) -> list[Job]:
        """Finalize up to `limit` live jobs past their deadline as timed out, and return them.

        With concurrent callers each job is returned to exactly one of them.
        """
        ...

    async def depth(self) -> QueueDepth:
        """The number of live jobs."""
        ...


class Subscription(Protocol):
    """A subscription to one kind of wake-up. Wake-ups between `__enter__` and `wait` are not lost."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def wait(self, timeout: timedelta) -> bool:
        """Wait for the next wake-up; False after `timeout`."""
        ...


class WorkSubscription(Subscription, Protocol):
    """A subscription of a process that takes jobs.

    Attributes:
        places: how many jobs can begin here before the next wait; 1 at first.
    """

    places: int


class JobSignals(Protocol):
    """Wake-ups across processes. They are hints: a subscriber reads the queue itself, and polls in case one is lost.

    Attributes:
        process: the name of this process, by which its jobs are held.
    """

    process: UUID

    def work(self) -> WorkSubscription:
        """Wakes when a job can be acquired: for each job at most one process with a subscriber that waits.

        Wakes at once where jobs came that no subscriber was there for, and within a second where a job waits whose
        wake-up was lost, or whose lease has expired. A process is chosen for a job from its first wait until the end
        of the block; outside of it, it must have no free place for one.
        """
        ...

    def finalized(self, job_id: UUID) -> Subscription:
        """Wakes when this job was finalized, or asked about.

        A picture of a job without an idempotency key that another process holds may be found by polling only.
        """
        ...

    def any_change(self) -> Subscription:
        """Wakes when any job was finalized, or asked about, as `finalized` does; a new one is found by polling."""
        ...
