"""Waiting for a queue that is unavailable: what one request or job does about an outage of the database."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from ...domain.errors import ChangeUnconfirmed, QueueUnavailable
from ...ports.clock import Clock

_log = logging.getLogger("photochanger.queue")

RETRY_PAUSE = timedelta(milliseconds=200)
"""Mean pause between two attempts; varied, so that what waits does not come back all at once."""

_T = TypeVar("_T")


class UntilAvailable:
    """Repeats calls while the queue is unavailable, at most until `until`; then QueueUnavailable.

    A call may be repeated after it was executed, if its reply was lost: it must be safe to repeat, or raise
    ChangeUnconfirmed, after which it is not. A call that is still under way at that moment is cancelled, unless it
    `outlasts`: it does more than wait for the queue.
    """

    def __init__(self, clock: Clock, until: datetime, *, outlasts: bool = False) -> None:
        self.until = until
        self._clock = clock
        self._outlasts = outlasts

    async def __call__(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """The result of the call."""
        waits = False
        while True:
            try:
                return await (call() if self._outlasts else self._in_time(call))
            except QueueUnavailable as error:
                if isinstance(error, ChangeUnconfirmed) or self._clock.now() >= self.until:
                    raise
                if not waits:
                    _log.info("waiting for the database: %s", error.explanation)
                waits = True
            await self._clock.sleep(min(RETRY_PAUSE * (0.5 + random.random()), self.until - self._clock.now()))

    async def _in_time(self, call: Callable[[], Awaitable[_T]]) -> _T:
        try:
            async with self._clock.timeout_at(self.until):
                return await call()
        except TimeoutError:
            raise QueueUnavailable("The database did not answer within the time that was left.") from None
