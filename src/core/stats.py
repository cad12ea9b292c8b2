"""Statistics as the core speaks of them: what is counted, and how an ended job is sorted into one outcome."""

from __future__ import annotations

import enum

import msgspec

from .jobs import FailureReason


class StatsOutcome(enum.StrEnum):
    """The five ways a job counts."""

    SUCCESS = "success"
    TIMEOUTS = "timeouts"
    PROVIDER_ERRORS = "provider_errors"
    CANCELLED = "cancelled"
    ERRORS = "errors"


class SlotCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs of one slot ended in each way."""

    success: int = 0
    timeouts: int = 0
    provider_errors: int = 0
    cancelled: int = 0
    errors: int = 0

    @property
    def ingest_count(self) -> int:
        return self.success + self.timeouts + self.provider_errors + self.cancelled + self.errors


def outcome_of(failure_reason: FailureReason | None) -> StatsOutcome:
    """The outcome that a job with this failure reason (None: it succeeded) counts as."""
    match failure_reason:
        case None:
            return StatsOutcome.SUCCESS
        case FailureReason.TIMEOUT:
            return StatsOutcome.TIMEOUTS
        case FailureReason.PROVIDER_ERROR:
            return StatsOutcome.PROVIDER_ERRORS
        case FailureReason.CANCELLED:
            return StatsOutcome.CANCELLED
        case FailureReason.INVALID_PHOTO | FailureReason.STORAGE_ERROR:
            return StatsOutcome.ERRORS
