"""Previews of finished jobs: small copies of the result and of the photo, stored while the worker is idle.

Both are made from pixels that were decoded for other reasons (ADR 57, 70). A result that came without one is
decoded again for it. While as many wait as may, none is made (ADR 85).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

import msgspec

from ...domain.errors import PhotoChangerError
from ...domain.job import Job
from ...ports.clock import Clock
from ...ports.image_tool import LaterPreview
from ...ports.media_service import MediaService
from ..support.concurrency import BackgroundTasks

_log = logging.getLogger("photochanger.previews")

MAX_WAITING = 32
"""Jobs whose previews wait to be stored, at most 4 MiB; beyond that the oldest are left to be made on demand."""

_IDLE = timedelta(milliseconds=250)
"""The worker is idle if no job began or ended and no preview was stored for this long: it then waits for providers."""

_PATIENCE = timedelta(seconds=1)
"""How long the next preview waits for that; then it is stored all the same."""


class _Waiting(msgspec.Struct, frozen=True):
    job: Job
    preview: LaterPreview | None
    photo_preview: LaterPreview | None


class Previews:
    """Stores previews one at a time, newest first.

    A result without one gets it when it is first shown. There is no copy of a photo that was not stored here, as photos
    are removed with the end of their job.
    """

    def __init__(self, media: MediaService, clock: Clock) -> None:
        self._media = media
        self._clock = clock
        self._waiting: OrderedDict[UUID, _Waiting] = OrderedDict()
        self._active_at = clock.monotonic()
        self._tasks = BackgroundTasks()

    @property
    def waiting(self) -> int:
        """Jobs whose previews are not begun."""
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether a preview that is made now would not take the place of another one."""
        return len(self._waiting) < MAX_WAITING

    def note_activity(self) -> None:
        """Put previews off: a job began or ended."""
        self._active_at = self._clock.monotonic()

    def add(self, job: Job, preview: LaterPreview | None, *, photo_preview: LaterPreview | None) -> None:
        """Have the previews of a job with a result stored: of the result, and of the photo as a provider took it."""
        self._waiting[job.id] = _Waiting(job, preview, photo_preview)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
        if not self._tasks:
            self._tasks.start(self._store_all(), name="previews")

    async def close(self) -> None:
        """Stop, and drop what waits."""
        self._waiting.clear()
        await self._tasks.cancel()

    async def _store_all(self) -> None:
        while self._waiting:
            await self._until_idle()
            _, taken = self._waiting.popitem()
            preview = None if taken.preview is None else await taken.preview
            await self._store(taken.job, self._media.make_thumbnail(taken.job, preview))
            photo_preview = None if taken.photo_preview is None else await taken.photo_preview
            if photo_preview is not None:
                await self._until_idle()
                await self._store(taken.job, self._media.keep_photo(taken.job, photo_preview))

    async def _store(self, job: Job, storing: Awaitable[object]) -> None:
        try:
            await storing
        except PhotoChangerError as error:
            _log.warning("preview of job %s failed: %s", job.id, error.detail)
        except Exception:
            _log.exception("preview of job %s failed", job.id)
        self.note_activity()

    async def _until_idle(self) -> None:
        latest = self._clock.monotonic() + _PATIENCE
        while (left := min(self._active_at + _IDLE, latest) - self._clock.monotonic()) > timedelta(0):
            await self._clock.sleep(left)
