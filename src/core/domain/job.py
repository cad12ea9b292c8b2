"""Jobs: one photo on its way, the states it goes through, and the rules of going from one to the next.

    pending --acquire--> processing --> succeeded | timed_out | failed | cancelled

A job is finalized exactly once; whoever comes later changes nothing.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from .media import Photo, StoredFile
from .slot import Route


class JobState(enum.StrEnum):
    """Where a job is in its life."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finalized(self) -> bool:
        """Whether nothing can change the job any more."""
        return self not in (JobState.PENDING, JobState.PROCESSING)


class FailureReason(enum.StrEnum):
    """Why a job ended without the picture that its route should have made."""

    TIMEOUT = "timeout"
    PROVIDER_ERROR = "provider_error"
    CANCELLED = "cancelled"
    INVALID_PHOTO = "invalid_photo"
    STORAGE_ERROR = "storage_error"


class JobSource(enum.StrEnum):
    """Who made a job."""

    INGEST = "ingest"
    TEST = "test"
    LIBRARY = "library"


class Result(msgspec.Struct, frozen=True):
    """The finished picture of a job. `fallback` is true where the failure answer made it, not the route."""

    file: StoredFile
    mime: str
    width: int
    height: int
    expires_at: datetime
    fallback: bool = False


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it is handed to the queue. `access_token` opens the job's own link to whoever submitted it.

    `trace` is the trace context (W3C `traceparent`) in which it was made, for the work on it to go on with.
    """

    id: UUID
    slot_id: str
    source: JobSource
    created_at: datetime
    expires_at: datetime
    route: Route
    photo: Photo
    access_token: str
    metadata: dict[str, str] = {}
    idempotency_key: str | None = None
    trace: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the queue knows it. `attempt` counts acquisitions and is the fencing token of the newest one.

    `provider_job_reference` is a provider's own name of its work on the route entry number `provider_job_entry`.
    """

    id: UUID
    slot_id: str
    source: JobSource
    state: JobState
    created_at: datetime
    expires_at: datetime
    route: Route
    photo: Photo
    access_token: str
    metadata: dict[str, str] = {}
    idempotency_key: str | None = None
    trace: str | None = None
    attempt: int = 0
    worker: str | None = None
    lease_until: datetime | None = None
    acquired_at: datetime | None = None
    finalized_at: datetime | None = None
    failure_reason: FailureReason | None = None
    error_code: str | None = None
    error_detail: str | None = None
    provider_id: str | None = None
    operation_id: str | None = None
    provider_job_reference: str | None = None
    provider_job_entry: int | None = None
    result: Result | None = None
    result_purged_at: datetime | None = None
    abandoned_at: datetime | None = None

    @property
    def provider_of_first_entry(self) -> str | None:
        """The provider that the route asks first; concurrency limits in `acquire` count by it."""
        return self.route.entries[0].provider_id if self.route.entries else None


class Claim(msgspec.Struct, frozen=True):
    """A worker's right to work on a job: valid while `attempt` is the job's newest and the lease lasts."""

    job: Job
    attempt: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ends: the state, why, and the picture if there is one."""

    state: JobState
    finalized_at: datetime
    failure_reason: FailureReason | None = None
    error_code: str | None = None
    error_detail: str | None = None
    provider_id: str | None = None
    operation_id: str | None = None
    result: Result | None = None
    inline_preview: bytes | None = None

    def __post_init__(self) -> None:
        if not self.state.finalized:
            raise ValueError(f"{self.state} does not end a job")
        if (self.state is JobState.SUCCEEDED) != (self.failure_reason is None):
            raise ValueError("a job has a failure reason exactly when it did not succeed")
        if self.state is JobState.SUCCEEDED and self.result is None:
            raise ValueError("a job that succeeded has a result")


class LogEvent(enum.StrEnum):
    """What the processing log tells of a job."""

    RECEIVED = "received"
    ACQUIRED = "acquired"
    RELEASED = "released"
    ATTEMPT = "attempt"
    REFERENCE = "reference"
    FINALIZED = "finalized"
    RESCUED = "rescued"
    ABANDONED = "abandoned"
    JOINED = "joined"


class LogEntry(msgspec.Struct, frozen=True):
    """One append-only line of a job's processing log. `detail` holds plain JSON values, no secrets, no pictures."""

    job_id: UUID
    at: datetime
    event: LogEvent
    detail: dict[str, Any] = {}


class JobEvent(msgspec.Struct, frozen=True):
    """A log entry as listeners hear of it. `id` rises with the order in which entries were written."""

    id: int
    entry: LogEntry
    slot_id: str
    source: JobSource

    @property
    def state(self) -> JobState | None:
        """The state that the job went to with this; None where it stayed what it was."""
        match self.entry.event:
            case LogEvent.RECEIVED | LogEvent.RELEASED:
                return JobState.PENDING
            case LogEvent.ACQUIRED:
                return JobState.PROCESSING
            case LogEvent.FINALIZED:
                return JobState(self.entry.detail["state"])
        return None


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs a list holds; what is None or empty leaves nothing out. `created_to` is exclusive."""

    states: tuple[JobState, ...] = ()
    slot_id: str | None = None
    failure_reason: FailureReason | None = None
    source: JobSource | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    def holds(self, job: Job) -> bool:
        """Whether the job is in the list."""
        return (
            (not self.states or job.state in self.states)
            and self.slot_id in (None, job.slot_id)
            and self.failure_reason in (None, job.failure_reason)
            and self.source in (None, job.source)
            and (self.created_from is None or job.created_at >= self.created_from)
            and (self.created_to is None or job.created_at < self.created_to)
        )


class JobOrder(enum.StrEnum):
    """How a list of jobs is sorted. By `finalized_at` it holds those alone that have ended."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    ENDED_LAST = "-finalized_at"
    ENDED_FIRST = "finalized_at"


class QueueDepth(msgspec.Struct, frozen=True):
    """How many live jobs there are, by state and by the provider that their route asks first."""

    pending: int
    processing: int
    by_provider: dict[str, int] = {}

    @property
    def active(self) -> int:
        return self.pending + self.processing


def pending(new: NewJob) -> Job:
    """The job as it stands right after it was enqueued."""
    return Job(state=JobState.PENDING, **{name: getattr(new, name) for name in new.__struct_fields__})


def can_acquire(job: Job, now: datetime) -> bool:
    """Whether a worker may take the job: it is live, its window lasts, and nobody holds a lease on it."""
    if job.state.finalized or job.expires_at <= now:
        return False
    return job.state is JobState.PENDING or (job.lease_until is not None and job.lease_until <= now)


def acquired(job: Job, worker: str, *, now: datetime, lease_until: datetime) -> Job:
    """The job in a worker's hands; ValueError where `can_acquire` says no."""
    if not can_acquire(job, now):
        raise ValueError(f"job {job.id} cannot be acquired")
    return msgspec.structs.replace(
        job,
        state=JobState.PROCESSING,
        attempt=job.attempt + 1,
        worker=worker,
        lease_until=lease_until,
        acquired_at=job.acquired_at or now,
    )


def released(job: Job) -> Job:
    """The job handed back by its worker, free for the next one."""
    return msgspec.structs.replace(job, state=JobState.PENDING, worker=None, lease_until=None)


def finalized(job: Job, outcome: Outcome) -> Job:
    """The job at its end; ValueError if it had ended before.

    A job that ends without a picture gives its idempotency key back: the client's next try is a real one.
    """
    if job.state.finalized:
        raise ValueError(f"job {job.id} is finalized already")
    return msgspec.structs.replace(
        job,
        state=outcome.state,
        finalized_at=outcome.finalized_at,
        failure_reason=outcome.failure_reason,
        error_code=outcome.error_code,
        error_detail=outcome.error_detail,
        provider_id=outcome.provider_id,
        operation_id=outcome.operation_id,
        result=outcome.result,
        idempotency_key=job.idempotency_key if outcome.result is not None else None,
        worker=None,
        lease_until=None,
    )
