"""One call to a provider: the answer becomes a stored picture, or the error that says what the call was worth."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from ...domain.errors import (
    ImageTooLarge,
    InvalidSettings,
    StorageUnavailable,
    UndecodableImage,
    UnsupportedMediaType,
)
from ...domain.media import Picture, PictureNeeds, StoredPicture
from ...domain.provider_usage import CallOutcome
from ...domain.slot import RouteEntry
from ...ports.clock import Clock
from ...ports.provider import (
    Down,
    Provider,
    ProviderError,
    ProviderRequest,
    ProviderResult,
    Rejected,
    Retryable,
    Unavailable,
)
from ...ports.telemetry import Span, Telemetry

_log = logging.getLogger("photochanger.routing")

_MAX_REASON_CHARS = 500

TIMER_SLACK = timedelta(milliseconds=50)
"""So much too early may a timer of the end of the window fire."""


class PublicLinks(msgspec.Struct, frozen=True):
    """Where a provider fetches a photo, and the templates by setting key."""

    photo: str
    templates: Mapping[str, str]


class Materials(Protocol):
    """What one job lends to its attempts."""

    async def photo(self, needs: PictureNeeds) -> Picture:
        """The photo within a provider's needs, made once for equal needs."""
        ...

    async def templates(self, needs: PictureNeeds) -> Mapping[str, Picture]:
        """The slot's template pictures by setting key, within the same needs; Rejected where one is missing."""
        ...

    async def links(self, needs: PictureNeeds) -> PublicLinks:
        """Public links to photo and templates, which end with the job; NotConfigured where none can be given."""
        ...

    async def keep(self, data: bytes) -> StoredPicture:
        """A provider's answer, proven to be a picture and stored.

        Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge where it is none.
        """
        ...


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told what happens on the way.

    Attributes:
        note_attempt: gets the facts of every call, for the processing log.
        note_reference: saves a provider's own name of its work on an entry.
        afterwards: takes what nobody needs to wait for; it is begun once the job has ended.
        left_behind: takes a call that goes on after its job's window, in a slot with late rescue.
    """

    note_attempt: Callable[[dict[str, Any]], None]
    note_reference: Callable[[str, int], Awaitable[None]]
    afterwards: Callable[[Coroutine[Any, Any, None]], None]
    left_behind: Callable[[asyncio.Task[RoutePicture]], None]


class RoutePicture(msgspec.Struct, frozen=True):
    """The picture that a route made, already stored, and which entry made it."""

    picture: StoredPicture
    provider_id: str
    operation_id: str
    remarks: dict[str, Any] = {}


class TooSlow(Down):
    """The call was given up while there was still time for another one."""

    verdict = "timeout"


class Crashed(Unavailable):
    """The provider's own mistake."""

    verdict = "crashed"


class Attempt(msgspec.Struct, kw_only=True):
    """One call on its way; `request` gathers what the provider is asked."""

    entry: RouteEntry
    provider: Provider
    request: Callable[[], Awaitable[ProviderRequest]]
    facts: dict[str, Any]
    started: datetime


class ProviderCalls:
    """Makes the calls of one job. Each ends in a picture or a ProviderError, and in one line of the processing log."""

    def __init__(
        self, materials: Materials, hooks: Hooks, clock: Clock, *, late_rescue: bool, telemetry: Telemetry
    ) -> None:
        self._materials = materials
        self._hooks = hooks
        self._clock = clock
        self._late_rescue = late_rescue
        self._telemetry = telemetry
        self.won = False
        """Set once a call has made the picture: what is stopped then is not left behind."""

    async def make(
        self, attempt: Attempt, *, patience: Callable[[], Coroutine[Any, Any, None]], ends_at: datetime
    ) -> RoutePicture:
        """The picture of this call, which is given up when `patience` returns; the caller stops it at `ends_at`.

        Raises ProviderError, and what `materials` raises.
        """
        with self._telemetry.span("provider call", attempt.facts) as span:
            return await self._make(attempt, span, patience=patience, ends_at=ends_at)

    async def _make(
        self, attempt: Attempt, span: Span, *, patience: Callable[[], Coroutine[Any, Any, None]], ends_at: datetime
    ) -> RoutePicture:
        working = asyncio.ensure_future(self._ask(attempt))
        waiting = asyncio.ensure_future(patience())
        left_behind = False
        try:
            await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                waiting.result()
                raise TooSlow("The provider took far longer than it usually does, or than can be waited for.")
            made = working.result()
        except asyncio.CancelledError:
            late = self._clock.now() >= ends_at - TIMER_SLACK
            if left_behind := self._late_rescue and not self.won:
                self._hooks.left_behind(working)
            reason = "the window ended" if late else "another picture was first, or the job has ended"
            self._note(attempt, span, CallOutcome.TIMEOUT if late else CallOutcome.CANCELLED, reason)
            raise
        except ProviderError as error:
            self._note(attempt, span, CallOutcome(error.verdict), error.reason)
            raise
        finally:
            await stopped(waiting)
            if not left_behind:
                await stopped(working)
        self._note(attempt, span, CallOutcome.PICTURE, made.picture.mime, made.remarks)
        return made

    async def _ask(self, attempt: Attempt) -> RoutePicture:
        return await self._work(attempt, await attempt.request())

    async def _work(self, attempt: Attempt, request: ProviderRequest) -> RoutePicture:
        try:
            result = await self._answer(attempt.provider, request)
            picture = await self._kept(result)
        except InvalidSettings as error:
            raise Rejected(error.detail) from error
        except (ProviderError, StorageUnavailable):
            raise
        except Exception as error:
            # A provider's own mistake must not cost the guest the other entries of the route. The text of the error
            # may hold anything, keys included, so only the place is logged.
            where = "".join(traceback.format_tb(error.__traceback__))
            name = type(error).__name__
            _log.error("provider %s failed in an unforeseen way: %s\n%s", attempt.entry.provider_id, name, where)
            raise Crashed(name) from None
        return RoutePicture(picture, attempt.entry.provider_id, attempt.entry.operation_id, result.remarks)

    async def _answer(self, provider: Provider, request: ProviderRequest) -> ProviderResult:
        """The provider's answer. A TimeoutError of its own making means that the network was slow."""
        try:
            return await provider.process(request)
        except TimeoutError as error:
            raise Down("The provider did not answer within its own time limit.") from error

    async def _kept(self, result: ProviderResult) -> StoredPicture:
        """What came back, proven to be a picture: providers do label text and broken files `image/png`."""
        try:
            return await self._materials.keep(result.data)
        except (UnsupportedMediaType, UndecodableImage, ImageTooLarge) as error:
            raise Retryable(f"The provider's answer is not a usable picture: {error.detail}") from error

    def _note(
        self,
        attempt: Attempt,
        span: Span,
        verdict: CallOutcome,
        reason: str,
        remarks: Mapping[str, Any] | None = None,
    ) -> None:
        duration = self._clock.now() - attempt.started
        self._telemetry.call_ended(attempt.entry.provider_id, verdict, took=duration, call=attempt.facts["call"])
        _log.info(
            "call %s to %s: %s after %.2f s",
            *(attempt.facts["call"], attempt.entry.provider_id, verdict, duration.total_seconds()),
        )
        span.note({"verdict": verdict.value})
        if verdict is not CallOutcome.PICTURE:
            span.fail(verdict.value)
        told = {
            "classification": verdict,
            "reason": reason[:_MAX_REASON_CHARS],
            "started_at": attempt.started.isoformat(),
            "duration_ms": round(duration.total_seconds() * 1000, 1),
        }
        self._hooks.note_attempt(dict(remarks or {}) | attempt.facts | told)


async def stopped(task: asyncio.Future[Any]) -> None:
    """Cancel the task and wait until it has ended; what it came to counts as seen."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
