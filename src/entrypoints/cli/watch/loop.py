"""The loop of a watch: looks at the folder, and a few photos under way at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ....core.services.support.concurrency import race
from ..send.client import Photo
from ..send.response import one_line, printable
from .photo_run import PhotoEnd, PhotoRuns
from .scanner import FolderScanner

LOOK_SECONDS = 0.5
"""The pause between two looks at the folder."""

_QUEUED = 64
"""How many photos are taken from the folder in advance, so that none waits for a look."""

AWAY_SECONDS = 5.0
"""The pause after a look that failed, and before a photo is tried again that another program has open."""


class FolderWatch:
    """Takes photos of a folder in the order of their times."""

    def __init__(
        self,
        scanner: FolderScanner,
        runs: PhotoRuns,
        *,
        folder: Path,
        at_once: int,
        notify: Callable[[str], None],
    ) -> None:
        self._scanner = scanner
        self._runs = runs
        self._folder = folder
        self._room = asyncio.Semaphore(at_once)
        self._notify = notify
        self._busy: set[str] = set()
        self._count = 0
        self.ends = Counter[PhotoEnd]()

    async def run(self, stop: asyncio.Event, *, once: bool) -> None:
        """Look until `stop` is set; with `once` until the folder has no more photos.

        A folder that cannot be read, such as a share that is away, is looked at again later.
        """
        failed: str | None = None
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                pause, busy = LOOK_SECONDS, frozenset(self._busy)
                try:
                    ready = await asyncio.to_thread(self._scanner.ready, busy=busy, limit=_QUEUED - len(busy))
                except OSError as error:
                    reason = error.strerror or type(error).__name__
                    if reason != failed:
                        self._notify(f"{printable(str(self._folder))} cannot be read: {one_line(reason)}; waiting")
                    failed, pause = reason, AWAY_SECONDS
                else:
                    failed = None
                    for name in ready:
                        self._busy.add(name)
                        tasks.create_task(self._handle(name, stop))
                    if once and not (busy or ready or self._scanner.unready):
                        return
                await race(asyncio.sleep(pause), stop.wait())

    async def _handle(self, name: str, stop: asyncio.Event) -> None:
        self._count += 1
        photo = Photo(self._folder / name, printable(name), self._count)
        try:
            async with self._room:
                end = PhotoEnd.LEFT if stop.is_set() else await self._runs.run(photo)
        except OSError as error:
            end = PhotoEnd.LEFT
            reason = one_line(error.strerror or type(error).__name__)
            self._notify(f"{photo.name}: cannot be read or moved: {reason}; it is tried again")
        finally:
            self._busy.discard(name)
        if end is PhotoEnd.LEFT:
            self._scanner.postpone(name, AWAY_SECONDS)
        self.ends[end] += 1
