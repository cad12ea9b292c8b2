"""A cached value that is read at most once a second, and ahead of time where it is requested often."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

from ...domain.errors import PhotoChangerError, QueueUnavailable
from ...ports.clock import Clock
from .concurrency import BackgroundTasks

_log = logging.getLogger("photochanger.cache")

MAX_AGE = timedelta(seconds=1)

_MAX_READING = timedelta(seconds=1)
"""How long a reading is waited for where the last value is good enough."""

_T = TypeVar("_T")


class RefreshingValue(Generic[_T]):
    """What `read` returned, at most `MAX_AGE` old. `what` names it in the log (`the settings`)."""

    def __init__(self, read: Callable[[], Awaitable[_T]], clock: Clock, *, what: str) -> None:
        self._read = read
        self._clock = clock
        self._what = what
        self._held: tuple[timedelta, _T] | None = None
        self._last: _T | None = None
        self._forgotten = 0
        self._reading = asyncio.Lock()
        self._ahead = BackgroundTasks()

    def __repr__(self) -> str:
        return f"RefreshingValue({self._what})"

    async def get(self) -> _T:
        """The value. Concurrent callers share one reading. Raises what `read` raises."""
        if (held := self._fresh()) is not None:
            read_at, value = held
            if self._clock.monotonic() - read_at >= MAX_AGE / 2 and not self._ahead:
                self._ahead.start(self._read_ahead(), name=f"refreshing {self._what}")
            return value
        async with self._reading:
            if (held := self._fresh()) is not None:
                return held[1]
            return await self._read_now()

    @property
    def last(self) -> _T | None:
        """The value as it was last read, of any age; None before the first reading."""
        return self._last

    async def last_known(self) -> _T:
        """The value, or during an outage the last one that was read. Raises what `get` raises where there is none."""
        if self._last is None or self._fresh() is not None:
            return await self.get()
        try:
            async with self._clock.timeout_at(self._clock.now() + _MAX_READING):
                return await self.get()
        except (QueueUnavailable, TimeoutError):
            return self._last

    def forget(self) -> None:
        """Drop the value after a change in this process; a reading that is under way is not kept."""
        self._held = None
        self._forgotten += 1

    async def _read_ahead(self) -> None:
        """Read before the value is too old, so that under load no request waits for it."""
        async with self._reading:
            try:
                await self._read_now()
            except PhotoChangerError as error:
                _log.info("refreshing %s failed: %s", self._what, error.detail)

    async def _read_now(self) -> _T:
        forgotten = self._forgotten
        self._last = value = await self._read()
        if forgotten == self._forgotten:  # else it may be from before the change
            self._held = self._clock.monotonic(), value
        return value

    def _fresh(self) -> tuple[timedelta, _T] | None:
        held = self._held
        return held if held is not None and self._clock.monotonic() - held[0] < MAX_AGE else None
