"""Jobs: the processing of one photo, its states, and the rules of their transitions.

    pending --acquire--> processing --> succeeded | timed_out | failed | cancelled

A job is finalized exactly once; later attempts to finalize it change nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from .media import Photo, StoredFile, StoredPicture
from .slots.slot import Route
from .stored_values import StoredEnum, from_row


class JobState(StoredEnum):
    """State of a job."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finalized(self) -> bool:
        """Whether the state is final."""
        return self not in (JobState.PENDING, JobState.PROCESSING)


class FailureReason(StoredEnum):
    """Why a job ended without a picture from its route."""

    TIMEOUT = "timeout"
    PROVIDER_ERROR = "provider_error"
    CANCELLED = "cancelled"
    INVALID_PHOTO = "invalid_photo"
    STORAGE_ERROR = "storage_error"


class JobSource(StoredEnum):
    """What created a job."""

    INGEST = "ingest"
    TEST = "test"
    LIBRARY = "library"


GUEST_SOURCES = (JobSource.INGEST, JobSource.LIBRARY)
"""The sources of jobs that a gallery shows."""


class Result(msgspec.Struct, frozen=True):
    """The picture of a finalized job. `fallback` is true where the failure answer made it, not the route.

    `model`, `seed`: the version of the model and the seed that made it, where the provider names them.
    """

    picture: StoredPicture
    expires_at: datetime
    fallback: bool = False
    model: str | None = None
    seed: int | None = None

    @property
    def file(self) -> StoredFile:
        return self.picture.file

    @property
    def mime(self) -> str:
        return self.picture.mime

    @property
    def outcome(self) -> Literal["success", "fallback"]:
        """The word for it in HTTP answers and webhooks."""
        return "fallback" if self.fallback else "success"


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a job is created with. `access_token` opens the job's own link to its client.

    `trace` is the trace context (W3C `traceparent`) that the work on the job continues.
    `held_by`: the process whose request waits for the job until its end.
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
    held_by: UUID | None = None

    @property
    def first_provider(self) -> str | None:
        """The provider of the route's first entry; concurrency limits in `acquire` count by it."""
        return self.route.entries[0].provider_id if self.route.entries else None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ends: the state, the reason, and the picture if there is one."""

    state: JobState
    finalized_at: datetime
    failure_reason: FailureReason | None = None
    error_code: str | None = None
    error_detail: str | None = None
    provider_id: str | None = None
    operation_id: str | None = None
    result: Result | None = None

    def __post_init__(self) -> None:
        if not self.state.finalized:
            raise ValueError(f"{self.state} does not end a job")
        if (self.state is JobState.SUCCEEDED) != (self.failure_reason is None):
            raise ValueError("a job has a failure reason exactly when it did not succeed")
        if self.state is JobState.SUCCEEDED and self.result is None:
            raise ValueError("a job that succeeded has a result")


SYNC_TIMEOUT_CODE = "sync_timeout"
SYNC_TIMEOUT_DETAIL = "No picture was ready within the sync window."
"""Error code and text of a job that reached its deadline."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job in the queue. `attempt` counts acquisitions and is the fencing token of the newest one.

    `provider_job_reference` is the provider's name of its work on the route entry number `provider_job_entry`.
    `erased_at`: when its guest was erased; `forgotten_at`: when the rest of the guest's data had been deleted.
    `asked_at`: when another process asked whether a client waits for the job; None once that is confirmed.
    `late_call_until`: a provider call goes on after the end of the job, at least until then, unless its worker dies.
    """

    spec: JobSpec
    state: JobState = JobState.PENDING
    attempt: int = 0
    worker: str | None = None
    lease_until: datetime | None = None
    acquired_at: datetime | None = None
    provider_job_reference: str | None = None
    provider_job_entry: int | None = None
    outcome: Outcome | None = None
    result_purged_at: datetime | None = None
    abandoned_at: datetime | None = None
    erased_at: datetime | None = None
    forgotten_at: datetime | None = None
    late_call_until: datetime | None = None
    asked_at: datetime | None = None

    def may_get_late_picture(self, now: datetime) -> bool:
        """Whether the job has timed out without a picture, and a call that may still make one is under way."""
        is_waiting = self.state is JobState.TIMED_OUT and self.result is None
        return is_waiting and self.late_call_until is not None and self.late_call_until > now

    @property
    def knows_guest(self) -> bool:
        """Whether the job still has the data of its guest."""
        return self.erased_at is None and self.forgotten_at is None

    @property
    def id(self) -> UUID:
        return self.spec.id

    @property
    def slot_id(self) -> str:
        return self.spec.slot_id

    @property
    def source(self) -> JobSource:
        return self.spec.source

    @property
    def created_at(self) -> datetime:
        return self.spec.created_at

    @property
    def expires_at(self) -> datetime:
        return self.spec.expires_at

    @property
    def route(self) -> Route:
        return self.spec.route

    @property
    def photo(self) -> Photo:
        return self.spec.photo

    @property
    def access_token(self) -> str:
        return self.spec.access_token

    @property
    def metadata(self) -> dict[str, str]:
        return self.spec.metadata

    @property
    def idempotency_key(self) -> str | None:
        return self.spec.idempotency_key

    @property
    def trace(self) -> str | None:
        return self.spec.trace

    @property
    def finalized_at(self) -> datetime | None:
        return self.outcome.finalized_at if self.outcome else None

    @property
    def failure_reason(self) -> FailureReason | None:
        return self.outcome.failure_reason if self.outcome else None

    @property
    def error_code(self) -> str | None:
        return self.outcome.error_code if self.outcome else None

    @property
    def error_detail(self) -> str | None:
        return self.outcome.error_detail if self.outcome else None

    @property
    def provider_id(self) -> str | None:
        return self.outcome.provider_id if self.outcome else None

    @property
    def operation_id(self) -> str | None:
        return self.outcome.operation_id if self.outcome else None

    @property
    def result(self) -> Result | None:
        return self.outcome.result if self.outcome else None


class Claim(msgspec.Struct, frozen=True):
    """A worker's right to work on a job: valid while `attempt` is the job's newest and the lease lasts."""

    job: Job
    attempt: int


class LogEvent(StoredEnum):
    """Event in the processing log of a job."""

    RECEIVED = "received"
    ACQUIRED = "acquired"
    RELEASED = "released"
    ATTEMPT = "attempt"
    REFERENCE = "reference"
    FINALIZED = "finalized"
    RESCUED = "rescued"
    ABANDONED = "abandoned"
    JOINED = "joined"
    ERASED = "erased"
    VISIBILITY = "visibility"


class LogEntry(msgspec.Struct, frozen=True):
    """Entry of a job's append-only processing log. `detail` holds plain JSON values, no secrets, no pictures."""

    job_id: UUID
    at: datetime
    event: LogEvent
    detail: dict[str, Any] = {}


class JobEvent(msgspec.Struct, frozen=True):
    """A log entry with what subscribers need to filter it. Ids ascend in the order of writing.

    `after_end`: an attempt that was written after the end of its job, which another process had recorded.
    """

    id: int
    entry: LogEntry
    slot_id: str
    source: JobSource
    after_end: bool = False

    @property
    def state(self) -> JobState | None:
        """The state that the job entered with this event; None where the state did not change."""
        match self.entry.event:
            case LogEvent.RECEIVED | LogEvent.RELEASED:
                return JobState.PENDING
            case LogEvent.ACQUIRED:
                return JobState.PROCESSING
            case LogEvent.FINALIZED:
                return from_row(JobState, self.entry.detail["state"])
        return None


class QueueDepth(msgspec.Struct, frozen=True):
    """Number of live jobs, by state and by the provider of their first route entry."""

    pending: int
    processing: int
    by_provider: dict[str, int] = {}

    @property
    def active(self) -> int:
        return self.pending + self.processing


def can_acquire(job: Job, now: datetime) -> bool:
    """Whether a worker may take the job: not finalized, before its deadline, and without a valid lease."""
    if job.state.finalized or job.expires_at <= now:
        return False
    return job.state is JobState.PENDING or (job.lease_until is not None and job.lease_until <= now)


def acquire(job: Job, worker: str, *, now: datetime, lease_until: datetime) -> Job:
    """Give the job to a worker; ValueError where `can_acquire` says no."""
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


def release(job: Job) -> Job:
    """Take the job from its worker, free for the next one."""
    return msgspec.structs.replace(job, state=JobState.PENDING, worker=None, lease_until=None)


def finalize(job: Job, outcome: Outcome) -> Job:
    """End the job; ValueError if it is finalized already.

    A job that ends without a picture loses its idempotency key, so that a retry of its client makes a new job. One that
    times out keeps it where late rescue may still bring a picture; the retry takes it where none has come.
    """
    if job.state.finalized:
        raise ValueError(f"job {job.id} is finalized already")
    late = job.lease_until if outcome.state is JobState.TIMED_OUT and _may_have_late_call(job, outcome) else None
    ended = msgspec.structs.replace(
        job, state=outcome.state, outcome=outcome, worker=None, lease_until=None, late_call_until=late
    )
    is_rescued = outcome.state is JobState.TIMED_OUT and job.route.late_rescue
    return ended if outcome.result is not None or is_rescued else forget_idempotency_key(ended)


def _may_have_late_call(job: Job, outcome: Outcome) -> bool:
    is_held = job.lease_until is not None and job.lease_until > outcome.finalized_at
    return job.route.late_rescue and job.state is JobState.PROCESSING and is_held


def end_late_call(job: Job) -> Job:
    """The timed-out job when its late call has ended; without a picture it loses its idempotency key."""
    ended = msgspec.structs.replace(job, late_call_until=None)
    return ended if job.result is not None else forget_idempotency_key(ended)


def forget_idempotency_key(job: Job) -> Job:
    """The job without its idempotency key, which another job can take then."""
    return msgspec.structs.replace(job, spec=msgspec.structs.replace(job.spec, idempotency_key=None))


def replace_result(job: Job, result: Result) -> Job:
    """The finalized job with another picture; ValueError if it is not finalized."""
    if job.outcome is None:
        raise ValueError(f"job {job.id} is not finalized")
    outcome = msgspec.structs.replace(job.outcome, result=result)
    return msgspec.structs.replace(job, outcome=outcome, result_purged_at=None, late_call_until=None)


def cancelled(at: datetime) -> Outcome:
    """The outcome of a job that was cancelled."""
    return Outcome(
        state=JobState.CANCELLED,
        finalized_at=at,
        failure_reason=FailureReason.CANCELLED,
        error_code="job_cancelled",
        error_detail="The job was cancelled.",
    )


def timed_out(at: datetime) -> Outcome:
    """The outcome of a job that reached its deadline without a picture."""
    return Outcome(
        state=JobState.TIMED_OUT,
        finalized_at=at,
        failure_reason=FailureReason.TIMEOUT,
        error_code=SYNC_TIMEOUT_CODE,
        error_detail=SYNC_TIMEOUT_DETAIL,
    )
