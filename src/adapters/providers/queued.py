"""Services that queue work: it is submitted, asked for until it has ended, and cancelled where nobody waits for it.

A provider says in a `QueuedWork` how one piece of work is submitted, polled and cancelled, and calls `QueuedCalls`:

    queued = QueuedCalls("Painter")
    result = await queued.result(work, request, cost=expected)           saved, polled, resumed, cancelled
    data = await fetched(service.downloads, result.url, until=request.until, cost=expected)

URLs that a service names are called with the key only where `OwnAddresses` has them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ...core.domain.costs.call_cost import FREE, CallCost, Charged
from ...core.domain.routing.failure_cause import FailureCause
from ...core.ports.provider import ProviderError, ProviderRequest, Retryable, Unavailable
from ...core.services.support.concurrency import BackgroundTasks, TaskSet, result_of
from ..http_client.client import SafeHttpClient
from ..http_client.host_names import normal_url
from ..http_client.messages import host_and_port
from ..system_clock import SYSTEM_CLOCK
from .downloads import download

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

POLL_TIME = timedelta(seconds=10)
"""The most that one question for the state of work may take; then it is asked again."""

MAX_MISSES = 5
"""Questions in a row that may fail before work that is paid for is given up."""

MAX_FETCHES = 4
"""Attempts to fetch a finished picture."""

CANCEL_TIME = timedelta(seconds=10)
"""The most that cancelling at the service may take, retries included."""

MAX_CANCELS = 64
"""The most that is cancelled at the same time; what comes beyond that is left to the service's own time limits."""

_CANCEL_TRIES = 3
_CLOSING_TIME = timedelta(seconds=5)
_FETCH_PAUSE = timedelta(seconds=0.5)

_log = logging.getLogger("photochanger.providers.queued")

Sleep = Callable[[float], Awaitable[None]]


class Pending(Struct, frozen=True):
    """Work that has not ended. `after`: the pause that the service asks for before the next question."""

    after: timedelta | None = None


class Finished(Struct, Generic[_T_co], frozen=True):
    """Work that has ended well."""

    result: _T_co


class Failed(Struct, frozen=True):
    """Work that has ended without a result, or that the service does not know; `error` says what it has cost."""

    error: ProviderError


State = Pending | Finished[_T_co] | Failed
"""What a service says of a piece of work."""


class QueuedWork(Protocol[_T_co]):
    """One piece of work at a service. Every method bounds its own requests and raises ProviderError."""

    async def submit(self) -> tuple[str, State[_T_co]]:
        """Queue the work; return its reference, which another worker can go on with, and its state."""
        ...

    async def poll(self, reference: str, *, until: datetime) -> State[_T_co]:
        """Return the state of the work.

        Raise what keeps the question from being answered: Retryable is asked again, anything else ends the call.
        """
        ...

    async def cancel(self, reference: str, *, until: datetime) -> None:
        """Cancel the work, unless it has ended. Retryable is tried again."""
        ...


class Pace(Struct, frozen=True):
    """The pauses between questions: the first, and each longer by `factor`, up to the longest."""

    first: timedelta = timedelta(seconds=0.4)
    factor: float = 1.25
    longest: timedelta = timedelta(seconds=1)

    def pauses(self) -> Iterator[timedelta]:
        """Yield the pauses, without end."""
        pause = self.first
        while True:
            yield pause
            pause = min(pause * self.factor, self.longest)


class QueuedCalls:
    """Calls to one service that queues work; owns what is cancelled there in the background.

    It relies on being given `reference` for the first call of a resumed job only: where the service does not know it
    any more, `poll` returns Failed with a Retryable, and the next call submits the work again.

    Args:
        sleep: waits for so many seconds.
    """

    def __init__(self, service: str, *, pace: Pace | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self._service = service
        self._pace = pace or Pace()
        self._sleep = sleep
        self._submissions = TaskSet()
        self._cancels = BackgroundTasks()

    async def result(self, work: QueuedWork[_T], request: ProviderRequest, *, cost: CallCost | None = None) -> _T:
        """Submit the work, or go on with that of `request.reference`, and return its result.

        The reference is saved before the first question. Single failures of questions end nothing. Where the call is
        cancelled, runs out of time or cannot ask, the work is cancelled at the service in the background. Raises
        ProviderError; `cost` is what the work probably costs, for errors that do not say whether it is billed.
        """
        reference, pauses = request.reference, self._pace.pauses()
        state: State[_T] = Pending()
        if reference is None:
            reference, state = await self._submit(work)
            wait = next(pauses)
        else:
            wait = timedelta(0)
        try:
            if request.reference is None:
                await request.note_reference(reference)
            while isinstance(state, Pending):
                state = await self._next(work, reference, state, wait=wait, pauses=pauses, until=request.until)
                wait = next(pauses)
        except BaseException as error:
            # A question that did not reach the service was free; the work that it was about is not.
            if isinstance(error, ProviderError) and error.cost in (None, FREE):
                error.cost = perhaps(cost)
            if isinstance(state, Pending):
                self._cancel_later(partial(self._cancel, work, reference))
            raise
        if isinstance(state, Failed):
            raise state.error
        return state.result

    async def close(self) -> None:
        """Give what is being cancelled at the service a few seconds; then stop."""
        try:
            async with asyncio.timeout(_CLOSING_TIME.total_seconds()):
                await self._cancels.close()
        except TimeoutError:
            _log.warning("some work at %s was not cancelled in time", self._service)
        await self._cancels.cancel()
        await self._submissions.cancel()

    async def _next(
        self,
        work: QueuedWork[_T],
        reference: str,
        state: Pending,
        *,
        wait: timedelta,
        pauses: Iterator[timedelta],
        until: datetime,
    ) -> State[_T]:
        """Wait, and return the next state that the service tells."""
        too_late: ProviderError = Unavailable(
            f"{self._service} had not finished in the time that was left.", cause=FailureCause.TOO_SLOW
        )
        pause = max(wait, state.after or wait)
        for _ in range(MAX_MISSES):
            await self._wait(pause, until, instead=too_late)
            try:
                return await work.poll(reference, until=min(until, SYSTEM_CLOCK.now() + POLL_TIME))
            except Retryable as error:
                pause = next(pauses)
                too_late, pause = error, max(pause, error.after or pause)
        await self._wait(pause, until, instead=too_late)
        return await work.poll(reference, until=min(until, SYSTEM_CLOCK.now() + POLL_TIME))

    async def _wait(self, pause: timedelta, until: datetime, *, instead: ProviderError) -> None:
        """Wait; where the time would be over before, raise `instead` at once: another entry may use what is left."""
        if SYSTEM_CLOCK.now() + pause >= until:
            raise instead
        if pause:
            await self._sleep(pause.total_seconds())

    async def _submit(self, work: QueuedWork[_T]) -> tuple[str, State[_T]]:
        """Submit the work. What is cancelled meanwhile is submitted to its end, to learn by what name to cancel it."""
        submission = self._submissions.start(work.submit(), name=f"submission to {self._service}")
        try:
            return await result_of(submission)
        except asyncio.CancelledError:
            if not submission.cancelled():
                self._cancel_later(partial(self._cancel_submitted, work, submission))
            raise

    async def _cancel_submitted(self, work: QueuedWork[_T], submission: asyncio.Task[tuple[str, State[_T]]]) -> None:
        try:
            async with asyncio.timeout(CANCEL_TIME.total_seconds()):
                reference, state = await result_of(submission)
        except (TimeoutError, ProviderError):
            submission.cancel()  # it was not accepted, as far as can be known
            return
        if isinstance(state, Pending):
            await self._cancel(work, reference)

    def _cancel_later(self, cancel: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if len(self._cancels) >= MAX_CANCELS:
            _log.warning("work at %s is not cancelled: too much is being cancelled already", self._service)
        else:
            self._cancels.start(cancel(), name=f"cancelling work at {self._service}")

    async def _cancel(self, work: QueuedWork[_T], reference: str) -> None:
        until, pauses = SYSTEM_CLOCK.now() + CANCEL_TIME, self._pace.pauses()
        for tries in range(1, _CANCEL_TRIES + 1):
            try:
                await work.cancel(reference, until=until)
                return
            except ProviderError as error:
                pause = next(pauses)
                if isinstance(error, Retryable):
                    pause = max(pause, error.after or pause)
                hopeless = not isinstance(error, Retryable) or tries == _CANCEL_TRIES
                if hopeless or SYSTEM_CLOCK.now() + pause >= until:
                    _log.warning("cancelling work at %s failed: %s", self._service, error.reason)
                    return
            await self._sleep(pause.total_seconds())


class OwnAddresses:
    """The addresses of a service that may get its key: its base URL's, and https hosts of its domains.

    `url` is where the service is called; `domains` are the names under which its answers lie.
    """

    def __init__(self, url: str, *, domains: tuple[str, ...]) -> None:
        self._base = _origin(url)
        self._domains = domains

    def has(self, url: str) -> bool:
        """Whether an URL from an answer leads to the service itself."""
        origin = _origin(url)
        if origin is None:
            return False
        scheme, host, port = origin
        if origin == self._base:
            return True
        named = any(host == domain or host.endswith(f".{domain}") for domain in self._domains)
        return named and (scheme, port) == ("https", 443)


async def fetched(
    downloads: SafeHttpClient,
    url: str,
    *,
    until: datetime,
    cost: CallCost | None = None,
    pause: timedelta = _FETCH_PAUSE,
) -> bytes:
    """Return the picture at an URL that a service named: never with the key, from a host that may be reached.

    Tries again while there is time: the picture is paid for. Raises as `download`, with `cost` in the error.
    """
    for tries in range(1, MAX_FETCHES + 1):
        try:
            return await download(downloads, url, until=until)
        except ProviderError as error:
            error.cost = cost
            if not isinstance(error, Retryable) or tries == MAX_FETCHES:
                raise
            wait = max(pause, error.after or pause)
            if SYSTEM_CLOCK.now() + wait >= until:
                raise
        await asyncio.sleep(wait.total_seconds())
    raise AssertionError("the last attempt returns or raises")


def perhaps(cost: CallCost | None) -> CallCost | None:
    """Return a cost of which nobody knows whether it is billed: the work was given up while it was under way."""
    return None if cost is None else msgspec.structs.replace(cost, exact=False, charged=Charged.UNKNOWN)


def _origin(url: str) -> tuple[str, str, int] | None:
    normal, place = normal_url(url), host_and_port(url)
    return None if normal is None or place is None else (urlsplit(normal).scheme, *place)
