"""Faults of the media store that pass: a disk that is full for a moment, read-only, or away."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from ...domain.errors import StorageUnavailable
from ...ports.clock import Clock

_log = logging.getLogger("photochanger.media")

_T = TypeVar("_T")

_PAUSE = timedelta(milliseconds=200)

_APART = timedelta(seconds=5)
"""Two faults that far apart are not one."""


class StorageRetry:
    """Retries what needs the media store until a moment, or for as long a fault as `patience` allows.

    It is a FaultHandler for `MediaStore.put`, and `run` retries a whole call.
    """

    def __init__(
        self, clock: Clock, *, what: str, until: datetime | None = None, patience: timedelta | None = None
    ) -> None:
        self._clock = clock
        self._what = what
        self._until = until
        self._patience = patience
        self._began: timedelta | None = None
        self._last = timedelta(0)
        self.fault: StorageUnavailable | None = None
        """The fault that is being waited out."""

    async def run(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """The result of the call, repeated while it raises StorageUnavailable; that error where it lasts too long."""
        while True:
            try:
                result = await call()
            except StorageUnavailable as error:
                await self(error)
            else:
                self._began = self.fault = None
                return result

    async def __call__(self, error: StorageUnavailable) -> None:
        now = self._clock.monotonic()
        if self._began is None or now - self._last > _APART:
            self._began = now
            _log.warning("%s waits for the media store: %s", self._what, error.detail)
        if self._is_over(now - self._began):
            self.fault = None
            raise error
        self.fault, self._last = error, now
        try:
            await self._clock.sleep(_PAUSE)
        finally:
            self._last = self._clock.monotonic()

    def _is_over(self, lasted: timedelta) -> bool:
        if self._until is not None and self._clock.now() >= self._until:
            return True
        return self._patience is not None and lasted >= self._patience
