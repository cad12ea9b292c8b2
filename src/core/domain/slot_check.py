"""What a check before an event finds of each slot: whether a photo comes back as a picture, how soon, and why not."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import msgspec

from .job import Job, LogEntry, LogEvent
from .provider_usage import CallOutcome
from .slot import Slot

MAX_FAILED_ATTEMPTS = 20

NO_CALL = "blocked"
"""The classification of a call that was not made: a limit or a breaker was in its way."""


class CheckOutcome(enum.StrEnum):
    """How a slot did: its route made a picture, its failure answer did, neither did, or it was not tried."""

    PICTURE = "picture"
    FALLBACK = "fallback"
    FAILED = "failed"
    NOT_RUN = "not_run"


class FailedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A call that made no picture, or was not made: by the number of the route entry, and why."""

    entry: int
    provider_id: str
    operation_id: str
    classification: str
    reason: str


class SlotCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the check found of a slot.

    Attributes:
        latency: from the job's creation to its end; None where there was no job.
        entry: the number of the route entry that made the picture, 0 for the slot's first choice.
        calls: how many calls to providers were made.
        code, detail: why there is no picture of the route.
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
        """Whether guests' photos would come back as what the slot is for."""
        return self.outcome is CheckOutcome.PICTURE


def without_job(slot: Slot, outcome: CheckOutcome, *, code: str, detail: str) -> SlotCheck:
    """A slot for which no job was made or followed to its end."""
    return SlotCheck(slot_id=slot.id, name=slot.name, outcome=outcome, code=code, detail=detail)


def checked(slot: Slot, job: Job, log: Iterable[LogEntry]) -> SlotCheck:
    """What a job that has ended, with its processing log, says of the slot."""
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
            )
            for attempt in attempts
            if not _is_picture(attempt)
        )[-MAX_FAILED_ATTEMPTS:],
    )


def _is_picture(attempt: dict[str, object]) -> bool:
    return attempt["classification"] == CallOutcome.PICTURE
