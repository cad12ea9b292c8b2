"""What of a job belongs to its guest, and the job without it.

A guest's data goes with the picture: when the result expires, or, without a result, as long after the end of the job.
An administrator can erase a guest earlier. The job itself stays, for lists and statistics.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from .job import Job, LogEntry, LogEvent

ERASED_AGAIN_AFTER = timedelta(minutes=1)
"""When an erasure is repeated: by then, whatever was being written for the job at its erasure has been written."""

KEPT_DETAILS = frozenset(
    {
        "attempt",
        "call",
        "cause",
        "classification",
        "duration_ms",
        "entry",
        "failure_reason",
        "operation",
        "provider",
        "source",
        "started_at",
        "state",
        "visibility",
        "wait_ms",
        "worker",
    }
)
"""What stays of the details in a job's processing log. All others may quote the guest, or describe the photo."""


def without_guest(job: Job) -> Job:
    """The ended job without its guest's data: metadata, checksum of the photo, words of providers, ids of clients."""
    photo = msgspec.structs.replace(job.photo, file=msgspec.structs.replace(job.photo.file, sha256=""))
    spec = msgspec.structs.replace(job.spec, photo=photo, metadata={}, idempotency_key=None, trace=None)
    outcome = job.outcome and msgspec.structs.replace(job.outcome, error_detail=None)
    return msgspec.structs.replace(
        job, spec=spec, outcome=outcome, provider_job_reference=None, provider_job_entry=None
    )


def without_words(entry: LogEntry) -> LogEntry:
    """The log entry with only those details that tell nothing of the guest."""
    kept = {name: value for name, value in entry.detail.items() if name in KEPT_DETAILS}
    return msgspec.structs.replace(entry, detail=kept)


def erased(job: Job, at: datetime) -> Job:
    """The ended job after the erasure of its guest; the link of its result has expired."""
    gone = without_guest(job)
    if gone.outcome is not None and gone.outcome.result is not None:
        result = msgspec.structs.replace(gone.outcome.result, expires_at=min(gone.outcome.result.expires_at, at))
        gone = msgspec.structs.replace(gone, outcome=msgspec.structs.replace(gone.outcome, result=result))
    return msgspec.structs.replace(gone, erased_at=at)


def erased_entry(job: Job, at: datetime) -> LogEntry:
    """The log entry of an erasure."""
    return LogEntry(job.id, at, LogEvent.ERASED)
