"""The queue of jobs and its wake-ups. It decides which worker has a job, and who finalizes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from ..domain.audit import AuditEntry
from ..domain.job import Claim, Job, JobSpec, Outcome, QueueDepth, Result


class JobQueue(Protocol):
    """Jobs from `pending` to their end. Every method may raise QueueUnavailable.

    Leases and deadlines are compared with the queue's own clock (the database's, or that of the memory adapter).
    """

    async def enqueue(self, job: JobSpec, *, max_active: int) -> Job:
        """Store a job, write its first log entry, wake a worker; all of it or nothing.

        Returns the stored job, also to a repeat with the same id, whose reply was lost. Stores nothing and returns an
        existing job (its id differs from `job.id`), even when the queue is full, where one already does this work:
        - a job of the same slot with the same idempotency key;
        - a job of the same slot and photo (by checksum) whose client disconnected, while it is live or has succeeded
          and its deadline has not passed. It is no longer abandoned then.

        Raises QueueFull when `max_active` jobs are live. The bound is exact under concurrent calls. A job past its
        deadline does not count, even if it is not finalized yet.
        """
        ...

    async def acquire(
        self, worker: str, *, n: int, lease: timedelta, limits: Mapping[str, int] | None = None
    ) -> list[Claim]:
        """Claim up to `n` jobs, oldest first: pending ones, and processing ones whose lease has expired.

        Jobs past their deadline are skipped. `limits` is the maximum of concurrent calls by provider: a job whose first
        route entry names a provider without a free permit is skipped too, unless it has more entries and half its
        window has passed; any other claim holds a permit of its first entry's provider, as after
        `ProviderLimits.acquire`. Two workers never get the same attempt of a job. Each claim carries the attempt number
        as fencing token and is logged.
        """
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
        self, job_id: UUID, outcome: Outcome, *, claim: Claim | None, audit: AuditEntry | None = None
    ) -> bool:
        """End a job by compare-and-set: outcome, log entry, statistics, audit entry, wake-up; all of it or nothing.

        With a claim only while its attempt is the newest; without one (deadline, cancel) also while a worker has it.
        Returns False, and changes nothing, where the job is finalized already; True where that was an earlier call
        with this very outcome, whose answer was lost. A job that ends without a result loses its idempotency key.
        """
        ...

    async def rescue(self, job_id: UUID, result: Result, *, replaces: Result | None) -> bool:
        """Store a late picture as the result of a timed-out job, with a log entry. The job stays timed out.

        False, and nothing changes, where the job did not time out, its result is not `replaces`, or its guest was
        erased or forgotten.
        """
        ...

    async def release(self, claim: Claim) -> bool:
        """Return a job to the queue, for another worker to claim; False where the claim is not valid any more."""
        ...

    async def abandon(self, job_id: UUID) -> None:
        """Record that the waiting client disconnected; the job goes on. No effect once the answer was sent."""
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


class JobSignals(Protocol):
    """Wake-ups across processes. They are hints: a subscriber reads the queue itself, and polls in case one is lost."""

    def work(self) -> Subscription:
        """Wakes when a job can be acquired."""
        ...

    def finalized(self, job_id: UUID) -> Subscription:
        """Wakes when this job was finalized."""
        ...

    def any_change(self) -> Subscription:
        """Wakes when any job can be acquired or was finalized."""
        ...
