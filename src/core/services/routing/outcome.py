"""What a run of a route returns: a picture or a failure, and what is left to do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ...domain.job import FailureReason
from ...domain.media import StoredPicture
from ...domain.provider_usage import CallRecord

MAX_REASON_CHARS = 500


class RoutePicture(msgspec.Struct, frozen=True):
    """A picture that an entry of a route made, already stored."""

    picture: StoredPicture
    provider_id: str
    operation_id: str
    remarks: dict[str, Any] = {}


class RouteFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a route made no picture, as its job ends with it."""

    reason: FailureReason
    code: str
    detail: str
    provider_id: str | None = None
    operation_id: str | None = None


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the processing log: a call to a provider, or a call that its limits did not admit.

    Attributes:
        classification: a CallOutcome, or `blocked`.
        call: counts the calls to the entry, from 1; None where it was not called.
        wait: how long to wait before the next try of a blocked call.
        remarks: the provider's own, without secrets.
    """

    noted_at: datetime
    entry: int
    provider_id: str
    operation_id: str
    classification: str
    reason: str
    call: int | None = None
    started_at: datetime | None = None
    duration: timedelta | None = None
    wait: timedelta | None = None
    remarks: Mapping[str, Any] = {}

    def detail(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        facts = {
            "entry": self.entry,
            "call": self.call,
            "provider": self.provider_id,
            "operation": self.operation_id,
            "classification": self.classification,
            "reason": self.reason[:MAX_REASON_CHARS],
            "started_at": self.started_at and self.started_at.isoformat(),
            "duration_ms": _milliseconds(self.duration),
            "wait_ms": _milliseconds(self.wait),
        }
        return dict(self.remarks) | {name: fact for name, fact in facts.items() if fact is not None}


class EndedCall(msgspec.Struct, frozen=True):
    """A call that ended, to be reported to the shared limits."""

    entry: int
    provider_id: str
    record: CallRecord


class RouteOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run. Neither picture nor failure: the job was ended elsewhere.

    Attributes:
        attempts: those that are not in the processing log yet.
        calls: those that are not reported to the shared limits yet.
        pending: calls still under way after the window, in a slot with late rescue; the caller owns them.
    """

    picture: RoutePicture | None = None
    failure: RouteFailure | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    calls: tuple[EndedCall, ...] = ()
    pending: tuple[asyncio.Task[RoutePicture], ...] = ()


def _milliseconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds() * 1000, 1)
