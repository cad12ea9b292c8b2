"""The result of a readiness check of a slot: whether a photo becomes a picture, how fast, and why not."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import msgspec

from ..job import Job, LogEntry, LogEvent
from ..routing.provider_usage import CallOutcome
from .slot import Slot

MAX_FAILED_ATTEMPTS = 20

NO_CALL = "blocked"
"""The classification of a call that a limit or a circuit breaker prevented."""


class CheckOutcome(enum.StrEnum):
    """The outcome for a slot: a picture of its route, one of its failure answer, none, or not tried."""

    PICTURE = "picture"
    FALLBACK = "fallback"
    FAILED = "failed"
    NOT_RUN = "not_run"


class FailedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A call without a picture, or one that was prevented: the number of the route entry, and the reason.

    `cause`: a FailureCause; None in logs of versions that wrote none.
    """

    entry: int
    provider_id: str
    operation_id: str
    classification: str
    reason: str
    cause: str | None = None


class SlotCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the check for one slot.

    Attributes:
        latency: from the creation of the job to its end; None without a job.
        entry: the number of the route entry that made the picture; 0 is the first.
        calls: number of calls to providers.
        code, detail: why the route made no picture.
    """

    slot_id: str
    name: str
    outcome: CheckOutcome
    job_id: UUID | None = None
    latency: timedelta | None = None
    provider_id: str | None = None
    operation_id: str | None = None
    entry: int | None = None
    calls: int = 0
    code: str | None = None
    detail: str | None = None
    troubles: tuple[FailedAttempt, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether the route makes pictures."""
        return self.outcome is CheckOutcome.PICTURE


def without_job(slot: Slot, outcome: CheckOutcome, *, code: str, detail: str) -> SlotCheck:
    """The result for a slot without a finished job."""
    return SlotCheck(slot_id=slot.id, name=slot.name, outcome=outcome, code=code, detail=detail)


def checked(slot: Slot, job: Job, log: Iterable[LogEntry]) -> SlotCheck:
    """The result for a slot from a finished job and its processing log."""
    attempts = [entry.detail for entry in log if entry.event is LogEvent.ATTEMPT]
    if job.result is None:
        outcome = CheckOutcome.FAILED
    else:
        outcome = CheckOutcome.FALLBACK if job.result.fallback else CheckOutcome.PICTURE
    made = outcome is CheckOutcome.PICTURE
    return SlotCheck(
        slot_id=slot.id,
        name=slot.name,
        outcome=outcome,
        job_id=job.id,
        latency=None if job.finalized_at is None else max(job.finalized_at - job.created_at, timedelta(0)),
        provider_id=job.provider_id,
        operation_id=job.operation_id,
        entry=next((attempt["entry"] for attempt in attempts if _is_picture(attempt)), None) if made else None,
        calls=sum(attempt["classification"] != NO_CALL for attempt in attempts),
        code=None if made else job.error_code,
        detail=None if made else job.error_detail,
        troubles=tuple(
            FailedAttempt(
                entry=attempt["entry"],
                provider_id=attempt["provider"],
                operation_id=attempt["operation"],
                classification=attempt["classification"],
                reason=attempt["reason"],
                cause=attempt.get("cause"),
            )
            for attempt in attempts
            if not _is_picture(attempt)
        )[-MAX_FAILED_ATTEMPTS:],
    )


def _is_picture(attempt: dict[str, object]) -> bool:
    return attempt["classification"] == CallOutcome.PICTURE
