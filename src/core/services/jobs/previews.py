"""Previews of finished jobs: small copies of the result and of the photo, made while the worker is idle."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

import msgspec

from ...domain.errors import PhotoChangerError
from ...domain.job import Job
from ...domain.media import Picture
from ...ports.clock import Clock
from ...ports.media_service import MediaService
from ..support.concurrency import BackgroundTasks

_log = logging.getLogger("photochanger.previews")

MAX_WAITING = 32
"""Jobs whose previews wait to be made; beyond that the oldest are left to be made on demand."""

MAX_PHOTO_BYTES = 64 * 1024 * 1024
"""Photos held in memory for the copies that wait."""

_IDLE = timedelta(milliseconds=250)
"""The worker is idle if no job began or ended and no preview was made for this long: it then waits for providers."""

_PATIENCE = timedelta(seconds=1)
"""How long the next preview waits for that; then it is made all the same."""


class _Waiting(msgspec.Struct, frozen=True):
    job: Job
    photo: bytes | None


class Previews:
    """Makes previews one at a time, newest first.

    A result without one gets it when it is first shown. There is no copy of a photo that was not made here, as photos
    are removed with the end of their job.
    """

    def __init__(self, media: MediaService, clock: Clock) -> None:
        self._media = media
        self._clock = clock
        self._waiting: OrderedDict[UUID, _Waiting] = OrderedDict()
        self._photo_bytes = 0
        self._active_at = clock.monotonic()
        self._tasks = BackgroundTasks()

    @property
    def waiting(self) -> int:
        """Jobs whose previews are not begun."""
        return len(self._waiting)

    @property
    def photo_bytes(self) -> int:
        """Size of the photos that wait, in bytes."""
        return self._photo_bytes

    def note_activity(self) -> None:
        """Put previews off: a job began or ended."""
        self._active_at = self._clock.monotonic()

    def add(self, job: Job, photo: Picture | None) -> None:
        """Have the previews of a job with a result made; `photo` is its photo as a provider took it."""
        data = photo.data if photo is not None and len(photo.data) <= MAX_PHOTO_BYTES else None
        self._waiting[job.id] = _Waiting(job, data)
        self._photo_bytes += len(data or b"")
        while len(self._waiting) > MAX_WAITING or self._photo_bytes > MAX_PHOTO_BYTES:
            self._take(newest=False)
        if not self._tasks:
            self._tasks.start(self._make_all(), name="previews")

    async def close(self) -> None:
        """Stop, and drop what waits."""
        self._waiting.clear()
        self._photo_bytes = 0
        await self._tasks.cancel()

    def _take(self, *, newest: bool) -> _Waiting:
        _, taken = self._waiting.popitem(last=newest)
        self._photo_bytes -= len(taken.photo or b"")
        return taken

    async def _make_all(self) -> None:
        while self._waiting:
            await self._until_idle()
            taken = self._take(newest=True)
            await self._make(taken.job, self._media.make_thumbnail(taken.job))
            if taken.photo is not None:
                await self._until_idle()
                await self._make(taken.job, self._media.keep_photo(taken.job, taken.photo))

    async def _make(self, job: Job, making: Awaitable[object]) -> None:
        try:
            await making
        except PhotoChangerError as error:
            _log.warning("preview of job %s failed: %s", job.id, error.detail)
        except Exception:
            _log.exception("preview of job %s failed", job.id)
        self.note_activity()

    async def _until_idle(self) -> None:
        latest = self._clock.monotonic() + _PATIENCE
        while (left := min(self._active_at + _IDLE, latest) - self._clock.monotonic()) > timedelta(0):
            await self._clock.sleep(left)
