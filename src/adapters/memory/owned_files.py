"""The OwnedFiles port in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...core.domain.media import MediaKind, OwnedFile, StoredFile, template_keys
from ...core.domain.results.files import result_keys
from .database import MemoryDatabase
from .media import MemoryMediaRepository
from .slots import MemorySlotRepository


class MemoryOwnedFiles:
    """The files of the jobs, media objects and templates in memory."""

    def __init__(self, database: MemoryDatabase, media: MemoryMediaRepository, slots: MemorySlotRepository) -> None:
        self._database = database
        self._media = media
        self._slots = slots

    async def of_kind(self, kind: MediaKind) -> AsyncIterator[OwnedFile]:
        for file in self._files(kind):
            yield file

    async def bytes_by_kind(self) -> dict[MediaKind, int]:
        kinds = [kind for kind in MediaKind if kind is not MediaKind.PREVIEWS]
        return {kind: sum(file.size_bytes or 0 for file in self._files(kind)) for kind in kinds}

    def _files(self, kind: MediaKind) -> list[OwnedFile]:
        jobs = [*self._database.jobs.values()]
        kept = [job.result for job in jobs if job.result is not None and job.result_purged_at is None]
        match kind:
            case MediaKind.PAYLOADS:
                return [_owned(job.photo.file) for job in jobs if not job.state.finalized]
            case MediaKind.RESULTS:
                return [_owned(result.file) for result in kept]
            case MediaKind.PREVIEWS:
                return [OwnedFile(key) for result in kept for key in result_keys(result.file.key)[1:]]
            case MediaKind.MEDIA:
                return [_owned(media.file) for media in self._media.kept()]
            case MediaKind.TEMPLATES:
                templates = self._slots.templates.values()
                return [file for one in templates for file in (_owned(one.file), OwnedFile(template_keys(one.id)[1]))]


def _owned(file: StoredFile) -> OwnedFile:
    return OwnedFile(file.key, file.size_bytes, file.sha256 or None)
