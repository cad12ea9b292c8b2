"""Files in the media store without an owner: left by crashes and interrupted writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta

from ...domain.deadlines import ORPHAN_GRACE
from ...domain.media import MediaKey, MediaKind
from ...ports.clock import Clock
from ...ports.media_store import MediaStore
from ...ports.repositories.job_repository import JobRepository
from ...ports.repositories.media_repository import MediaRepository
from ...ports.repositories.slot_repository import TemplateRepository
from .task import BATCH

_InUse = Callable[[Collection[MediaKey]], Awaitable[set[MediaKey]]]


class OrphanFiles:
    """Deletes files that no job, media object or template owns. Methods may raise QueueUnavailable and
    StorageUnavailable."""

    def __init__(
        self,
        store: MediaStore,
        clock: Clock,
        *,
        jobs: JobRepository,
        media: MediaRepository,
        templates: TemplateRepository,
    ) -> None:
        self._store = store
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
        older_than = self._before(grace)
        return sum([await self._delete(kind, self._in_use[kind], older_than=older_than) for kind in kinds])

    async def delete_partial(self, *, grace: timedelta = ORPHAN_GRACE) -> int:
        """Delete incomplete files of interrupted writes that are older than `grace`; returns how many."""
        return await self._store.remove_partial(older_than=self._before(grace))

    def _before(self, grace: timedelta) -> datetime:
        return self._clock.by_machine(self._clock.now() - grace)  # the times of files are those of the machine

    async def _delete(self, kind: MediaKind, in_use: _InUse, *, older_than: datetime) -> int:
        orphans = 0
        async for keys in _batches(self._store.keys(kind, older_than=older_than)):
            used = await in_use(keys)
            for key in keys:
                if key not in used:
                    orphans += await self._store.delete(key)
        return orphans


async def _batches(keys: AsyncIterator[MediaKey]) -> AsyncIterator[Collection[MediaKey]]:
    batch: list[MediaKey] = []
    async for key in keys:
        batch.append(key)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
