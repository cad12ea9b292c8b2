"""Files in the media store without an owner: left by crashes and interrupted writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from ...domain.deadlines import ORPHAN_GRACE
from ...domain.errors import MediaNotFound
from ...domain.media import MediaKey, MediaKind
from ...ports.clock import Clock
from ...ports.media_store import MediaStore
from ...ports.repositories.file_records import BegunFiles
from ...ports.repositories.job_repository import JobRepository
from ...ports.repositories.media_repository import MediaRepository
from ...ports.repositories.slot_repository import TemplateRepository
from .task import BATCH

_InUse = Callable[[Collection[MediaKey]], Awaitable[set[MediaKey]]]

_PAGE = 5_000
"""How many records are read and removed at once."""

_CONCURRENT = 16
"""How many files are looked at in the store at the same time."""


class OrphanFiles:
    """Deletes files that no job, media object or template owns. Methods may raise QueueUnavailable and
    StorageUnavailable.

    The files that were begun are looked at once they are older than any photo's way to its row. A record whose file has
    an owner is removed, for from then on the owner deletes its file before its row. Only the photo of a live job keeps
    its record: it is deleted after the end of its job was stored, which can fail.
    """

    def __init__(
        self,
        store: MediaStore,
        begun: BegunFiles,
        clock: Clock,
        *,
        jobs: JobRepository,
        media: MediaRepository,
        templates: TemplateRepository,
    ) -> None:
        self._store = store
        self._begun = begun
        self._clock = clock
        self._in_use: Mapping[MediaKind, _InUse] = {
            MediaKind.PAYLOADS: jobs.in_use,
            MediaKind.RESULTS: jobs.in_use,
            MediaKind.PREVIEWS: jobs.in_use,
            MediaKind.MEDIA: media.in_use,
            MediaKind.TEMPLATES: templates.in_use,
        }

    async def delete(self, kinds: Collection[MediaKind] = tuple(MediaKind), *, grace: timedelta = ORPHAN_GRACE) -> int:
        """Delete orphans of these kinds that are older than `grace`; returns how many."""
        await self._record_noted()
        before = self._clock.now() - grace
        return sum([await self._delete_kind(kind, before) for kind in kinds])

    async def delete_partial(self, *, grace: timedelta = ORPHAN_GRACE) -> int:
        """Delete incomplete files of interrupted writes that are older than `grace`; returns how many."""
        # The times of files are those of the machine.
        return await self._store.remove_partial(older_than=self._clock.by_machine(self._clock.now() - grace))

    async def unowned(self, kind: MediaKind, keys: Sequence[MediaKey]) -> list[MediaKey]:
        """Those of these keys that have no owner."""
        used: set[MediaKey] = set()
        for at in range(0, len(keys), BATCH):
            used |= await self._in_use[kind](keys[at : at + BATCH])
        return [key for key in keys if key not in used]

    async def _record_noted(self) -> None:
        """Record the files that were begun while the database was away, in place of their notes."""
        if keys := await self._store.noted():
            await self._begun.add(keys, now=self._clock.now())
            for key in keys:
                await self._store.remove_note(key)

    async def _delete_kind(self, kind: MediaKind, before: datetime) -> int:
        deleted = 0
        while True:
            keys = await self._begun.before(before, kind, limit=_PAGE)
            orphans = await self.unowned(kind, keys)
            for at in range(0, len(orphans), _CONCURRENT):
                deleted += sum(await asyncio.gather(*map(self._delete_file, orphans[at : at + _CONCURRENT])))
            settled = orphans if kind is MediaKind.PAYLOADS else keys
            if settled:
                await self._begun.remove(settled, before=before)
            if len(keys) < _PAGE or not settled:
                return deleted

    async def _delete_file(self, key: MediaKey) -> bool:
        """Whether there was such a file: most that were begun were deleted by their owner since."""
        try:
            await self._store.size(key)
        except MediaNotFound:
            return False
        await self._store.delete(key)
        return True
