"""What a run of a route returns: a picture or a failure, and what is left to do with it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ...domain.errors import StorageUnavailable
from ...domain.job import SYNC_TIMEOUT_CODE, SYNC_TIMEOUT_DETAIL, FailureReason, LogEntry
from ...domain.media import StoredPicture
from ...domain.routing.provider_usage import CallRecord
from ...ports.image_tool import LaterPreview

_TOO_LATE_DETAIL = "The queue was too long: in the time left no provider could make the picture."


class RoutePicture(msgspec.Struct, frozen=True):
    """A picture that an entry of a route made, already stored, and its preview, which is not."""

    picture: StoredPicture
    provider_id: str
    operation_id: str
    remarks: dict[str, Any] = {}
    preview: LaterPreview | None = None
    model: str | None = None
    seed: int | None = None

    def __repr__(self) -> str:
        return f"RoutePicture({self.picture!r}, {self.provider_id}, {self.operation_id})"


class RouteFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a route made no picture, as its job ends with it."""

    reason: FailureReason
    code: str
    detail: str
    provider_id: str | None = None
    operation_id: str | None = None


WINDOW_ENDED = RouteFailure(reason=FailureReason.TIMEOUT, code=SYNC_TIMEOUT_CODE, detail=SYNC_TIMEOUT_DETAIL)
TOO_LATE = RouteFailure(reason=FailureReason.TIMEOUT, code=SYNC_TIMEOUT_CODE, detail=_TOO_LATE_DETAIL)
"""The job was begun when no entry could make its picture any more; none was called."""


def storage_failure(detail: str) -> RouteFailure:
    """Return the failure of a route whose photo or picture the media store could not read or write."""
    return RouteFailure(reason=FailureReason.STORAGE_ERROR, code=StorageUnavailable.code, detail=detail)


def picture_of(call: asyncio.Future[RoutePicture]) -> RoutePicture | None:
    """Return the picture of a call that has ended with one."""
    return call.result() if call.done() and not call.cancelled() and call.exception() is None else None


class CallReport(msgspec.Struct, frozen=True):
    """A call that ended, for the shared limits."""

    entry: int
    provider_id: str
    record: CallRecord


class RouteOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run. Neither picture nor failure: the job was ended elsewhere.

    Attributes:
        attempts: entries that are not in the processing log yet.
        reports: calls that are not reported to the shared limits yet.
        pending: calls still under way after the window, in a slot with late rescue; the caller owns them.
    """

    picture: RoutePicture | None = None
    failure: RouteFailure | None = None
    attempts: tuple[LogEntry, ...] = ()
    reports: tuple[CallReport, ...] = ()
    pending: tuple[asyncio.Task[RoutePicture], ...] = ()
