"""The queue of jobs and its wake-ups: the port that decides who works on what, and who finalizes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from ..domain.job import (
    Claim,
    Job,
    JobSpec,
    Outcome,
    QueueDepth,
    Result,
)


class JobQueue(Protocol):
    """Jobs from `pending` to their end. Every method may raise QueueUnavailable.

    Time is the queue's own where it decides about leases and deadlines (the database's now, or the clock that the
    memory adapter was given).
    """

    async def enqueue(self, job: JobSpec, *, max_active: int) -> Job:
        """Store a job, write its first log entry, wake a worker; all of it or nothing.

        Returns the job as stored, or the job that does this work already, and then stores nothing (its id differs from
        `job.id`), even when the queue is full:
        - a job of the same slot that holds the same idempotency key;
        - a job of the same slot and the same photo (by checksum) whose client hung up, while it is live or has
          succeeded and its deadline has not passed. A client waits for it again, so it is abandoned no more.

        The bound holds exactly: under any number of concurrent calls at most `max_active` jobs are live, and no call
        is refused while there is room. A job past its deadline that nobody has finalized yet counts no more.

        Raises QueueFull when `max_active` jobs are live.
        """
        ...

    async def acquire(
        self, worker: str, *, n: int, lease: timedelta, limits: Mapping[str, int] | None = None
    ) -> list[Claim]:
        """Take up to `n` jobs, oldest first: pending ones, and processing ones whose lease has run out.

        Jobs past their deadline are skipped. `limits` bounds the calls under way by provider: a job whose first route
        entry names a provider with no place left is skipped too, unless it has more entries and half its window is
        gone; any other claim keeps a place at its first entry's provider, as if `ProviderLimits.enter` had been asked.
        Two workers never get the same attempt of a job. Each claim carries the attempt number as fencing token and is
        in the log.
        """
        ...

    async def renew(self, claims: list[Claim], *, lease: timedelta) -> set[UUID]:
        """Prolong the leases of these claims from now on; returns the ids of the jobs that are still the caller's.

        A job is no longer the caller's once it is finalized, released or taken again.
        """
        ...

    async def note_reference(self, claim: Claim, reference: str, *, entry: int) -> bool:
        """Save a provider's own name of its work on the route entry of this number, so that a later attempt can go on
        with it. False: not yours."""
        ...

    async def mark_finalized(self, job_id: UUID, outcome: Outcome, *, claim: Claim | None) -> bool:
        """End a job, by compare-and-set: result fields, log entry, statistics, wake-up; all or nothing.

        With a claim only while its attempt is the newest; without one (deadline, cancel) whoever holds it. Returns
        False, and changes nothing, where someone was first. A job that ends without a result gives its idempotency
        key back.
        """
        ...

    async def rescue(self, job_id: UUID, result: Result, *, replaces: Result | None) -> bool:
        """Give a job that timed out the picture that came too late, with a log entry. It stays timed out.

        False, and nothing changes, where the job did not time out or its result is not `replaces` any more.
        """
        ...

    async def release(self, claim: Claim) -> bool:
        """Hand a job back unfinished, so that another worker can take it at once. False: not yours any more."""
        ...

    async def abandon(self, job_id: UUID) -> None:
        """Note that the client who waited has hung up; the job goes on. Nothing once the answer was sent."""
        ...

    async def release_expired(self, *, limit: int) -> list[Job]:
        """Finalize up to `limit` live jobs whose deadline has passed as timed out, and return them as they are now.

        Safe to call from several processes at once: each job is returned to exactly one of them.
        """
        ...

    async def depth(self) -> QueueDepth:
        """How many live jobs there are."""
        ...


class Subscription(Protocol):
    """An open ear for one kind of wake-up. Wake-ups between `__enter__` and `wait` are not lost."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def wait(self, timeout: timedelta) -> bool:
        """Wait for the next wake-up: True when one came, False after `timeout`."""
        ...


class JobSignals(Protocol):
    """Wake-ups across processes. They are hints: a listener looks at the queue itself, and polls as a safety net."""

    def work(self) -> Subscription:
        """Wakes when a job became free to be acquired."""
        ...

    def finalized(self, job_id: UUID) -> Subscription:
        """Wakes when this job was finalized."""
        ...

    def any_change(self) -> Subscription:
        """Wakes when something happened to any job: one became free to be acquired, or was finalized."""
        ...
