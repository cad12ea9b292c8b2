"""The words in which PhotoChanger tells of its work: outcomes of requests and the trace context that travels along."""

from __future__ import annotations

import enum
import re

from .job import Job

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_VERSION = "00"
_SAMPLED = 1


class IngestOutcome(enum.StrEnum):
    """What a camera's request came to.

    Attributes:
        SUCCESS, FALLBACK: a picture, the route's or that of the failure answer.
        ACCEPTED: the promise of a picture.
        TIMEOUT, PROVIDER_ERROR, CANCELLED, INVALID_PHOTO, STORAGE_ERROR: the job ended so, without a picture.
        REFUSED: the request was at fault, or there was no place for it.
        UNAVAILABLE: the service was at fault.
        GONE: the client hung up before its answer.
    """

    SUCCESS = "success"
    FALLBACK = "fallback"
    ACCEPTED = "accepted"
    TIMEOUT = "timeout"
    PROVIDER_ERROR = "provider_error"
    CANCELLED = "cancelled"
    INVALID_PHOTO = "invalid_photo"
    STORAGE_ERROR = "storage_error"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    GONE = "gone"


class Refusal(enum.StrEnum):
    """Why a photo is refused with `queue_full`.

    Attributes:
        NO_TIME: no entry of its route can be expected to end in its window.
        MAX_ACTIVE: the bound on active jobs has been reached.
    """

    NO_TIME = "no_time"
    MAX_ACTIVE = "max_active"


def ingest_outcome(job: Job) -> IngestOutcome:
    """What the request is answered with that waited for this job, as it is now."""
    if not job.state.finalized:
        return IngestOutcome.ACCEPTED
    if job.result is not None:
        return IngestOutcome(job.result.outcome)
    if job.failure_reason is None or not job.failure_reason.known:
        return IngestOutcome.PROVIDER_ERROR
    return IngestOutcome(job.failure_reason.value)


def trace_context(traceparent: str | None) -> str | None:
    """The trace context of a W3C `traceparent` header, in its shortest form; None where that is not well-formed."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None or (match[1] == _VERSION and match[5] is not None):
        return None
    return f"{_VERSION}-{match[2]}-{match[3]}-{int(match[4], 16) & _SAMPLED:02x}"


def trace_id_of(trace: str | None) -> str | None:
    """The id of the trace that this context belongs to."""
    return trace.split("-")[1] if trace is not None else None
