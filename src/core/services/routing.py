"""The route engine: tries the entries of a route in order, inside what is left of the window.

One budget serves all of it, the time until the route must be done. A retry waits with back-off and jitter, never
longer than what is left; a wait that would be longer means going on with the next entry at once.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from ..deadlines import remaining
from ..errors import ImageTooLarge, InvalidSettings, StorageUnavailable, UndecodableImage, UnsupportedMediaType
from ..jobs import Claim
from ..media import Picture, PictureNeeds, StoredPicture
from ..ports.clock import Clock
from ..ports.providers import (
    Provider,
    ProviderError,
    ProviderRequest,
    ProviderResult,
    Rejected,
    Retryable,
    Unavailable,
)
from ..slots import RouteEntry
from .catalogue import ProviderCatalogue

_log = logging.getLogger("photochanger.routing")

MAX_CALLS = 5
"""At most this many calls to one route entry."""

_FIRST_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=4)


class RoutePicture(msgspec.Struct, frozen=True):
    """The picture that a route made, already stored, and which entry made it."""

    picture: StoredPicture
    provider_id: str
    operation_id: str


class RouteExhausted(Exception):
    """No entry of the route made a picture; `reason` is the last entry's."""

    def __init__(self, reason: str, *, provider_id: str | None = None, operation_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.provider_id = provider_id
        self.operation_id = operation_id


class Materials(Protocol):
    """What one job lends to its attempts."""

    async def photo(self, needs: PictureNeeds) -> Picture:
        """The photo within a provider's needs, made once for equal needs."""
        ...

    async def templates(self) -> dict[str, Picture]:
        """The slot's template pictures by setting key; Rejected where one is missing."""
        ...

    async def keep(self, data: bytes) -> StoredPicture:
        """A provider's answer, proven to be a picture and stored.

        Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge where it is none.
        """
        ...


class RouteEngine:
    """Runs routes. `note_attempt` gets the facts of every call for the processing log."""

    def __init__(
        self,
        providers: ProviderCatalogue,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._providers = providers
        self._clock = clock
        self._jitter = jitter

    async def run(
        self,
        claim: Claim,
        materials: Materials,
        *,
        ends_at: datetime,
        note_attempt: Callable[[dict[str, Any]], None],
        note_reference: Callable[[str], Awaitable[None]],
    ) -> RoutePicture:
        """The first picture that an entry makes.

        Raises RouteExhausted when every entry gave up, TimeoutError when `ends_at` came first; what `materials`
        raises (UndecodableImage, StorageUnavailable) goes through: another entry would not mend it.
        """
        last = RouteExhausted("The route has no entries.")
        for position, entry in enumerate(claim.job.route.entries):
            try:
                return await self._run_entry(claim, position, entry, materials, ends_at, note_attempt, note_reference)
            except ProviderError as error:
                last = RouteExhausted(error.reason, provider_id=entry.provider_id, operation_id=entry.operation_id)
        raise last

    async def _run_entry(
        self,
        claim: Claim,
        position: int,
        entry: RouteEntry,
        materials: Materials,
        ends_at: datetime,
        note_attempt: Callable[[dict[str, Any]], None],
        note_reference: Callable[[str], Awaitable[None]],
    ) -> RoutePicture:
        provider, operation = self._providers.find(entry.provider_id, entry.operation_id)
        request = ProviderRequest(
            job_id=claim.job.id,
            operation_id=entry.operation_id,
            settings=entry.settings,
            photo=await materials.photo(operation.needs),
            templates=await materials.templates(),
            until=ends_at,
            note_reference=note_reference,
            reference=claim.job.provider_job_reference,
        )
        for call in range(1, MAX_CALLS + 1):
            started = self._clock.now()
            facts = {"entry": position, "call": call, "provider": entry.provider_id, "operation": entry.operation_id}
            try:
                async with self._clock.timeout_at(ends_at):
                    result = await self._answer(provider, request)
                    picture = await _kept(materials, result.data)
            except TimeoutError:
                note_attempt(facts | self._spent(started, "timeout", "the window ended"))
                raise
            except Retryable as error:
                note_attempt(facts | self._spent(started, "retryable", error.reason))
                pause = error.after if error.after is not None else self._backoff(call)
                if call == MAX_CALLS or pause >= remaining(ends_at, self._clock.now()):
                    raise
                await self._clock.sleep(pause)
            except ProviderError as error:
                note_attempt(facts | self._spent(started, type(error).__name__.lower(), error.reason))
                raise
            except InvalidSettings as error:
                note_attempt(facts | self._spent(started, "rejected", error.detail))
                raise Rejected(error.detail) from error
            except StorageUnavailable:
                raise
            except Exception as error:
                # A provider's own mistake must not cost the guest the other entries of the route.
                _log.exception("provider %s failed in an unforeseen way", entry.provider_id)
                note_attempt(facts | self._spent(started, "crashed", type(error).__name__))
                raise Unavailable(f"The provider failed in an unforeseen way ({type(error).__name__}).") from error
            else:
                note_attempt(facts | self._spent(started, "picture", picture.mime) | result.remarks)
                return RoutePicture(picture, entry.provider_id, entry.operation_id)
        raise AssertionError("the last call either answers or raises")

    async def _answer(self, provider: Provider, request: ProviderRequest) -> ProviderResult:
        """The provider's answer. Inside the window a TimeoutError is of its own making: the network was slow."""
        try:
            return await provider.process(request)
        except TimeoutError as error:
            if self._clock.now() >= request.until:
                raise
            raise Retryable("The provider did not answer within its own time limit.") from error

    def _backoff(self, call: int) -> timedelta:
        """Doubles from call to call, between half of it and the whole by chance."""
        whole = min(_FIRST_PAUSE * (1 << call - 1), _LONGEST_PAUSE)
        return whole * (0.5 + self._jitter() / 2)

    def _spent(self, started: datetime, classification: str, reason: str) -> dict[str, Any]:
        duration = self._clock.now() - started
        return {
            "classification": classification,
            "reason": reason[:500],
            "started_at": started.isoformat(),
            "duration_ms": round(duration.total_seconds() * 1000, 1),
        }


async def _kept(materials: Materials, data: bytes) -> StoredPicture:
    """What came back, proven to be a picture: providers do label text and broken files `image/png`."""
    try:
        return await materials.keep(data)
    except (UnsupportedMediaType, UndecodableImage, ImageTooLarge) as error:
        raise Retryable(f"The provider's answer is not a usable picture: {error.detail}") from error
