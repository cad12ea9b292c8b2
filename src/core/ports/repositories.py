"""What is kept besides the queue: slots, settings, job records and their logs, media objects.

Every method may raise QueueUnavailable where the adapter's database cannot be reached.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ..jobs import Job, LogEntry
from ..media import MediaKey, MediaObject
from ..settings import StoredPassword, StoredSettings
from ..slots import Slot


class SlotRepository(Protocol):
    """The fifteen slots."""

    async def get(self, slot_id: str) -> Slot:
        """The slot; SlotNotFound."""
        ...

    async def all(self) -> list[Slot]:
        """Every slot, by id."""
        ...

    async def add_missing(self, slots: Collection[Slot]) -> None:
        """Store those whose id is not there yet; leave the others as they are."""
        ...

    async def save(self, slot: Slot, *, expected_version: int) -> Slot | None:
        """Replace the slot if it still has this version; returns it with the next version and `updated_at` set.

        None where the version differs; SlotNotFound.
        """
        ...


class SettingsRepository(Protocol):
    """Settings that an administrator changed, and the ingest password's hash."""

    async def get(self) -> StoredSettings: ...

    async def save(self, settings: StoredSettings) -> None: ...

    async def ingest_password(self) -> StoredPassword | None: ...

    async def set_ingest_password(self, password: StoredPassword) -> None:
        """Replace the password, whatever it was."""
        ...

    async def replace_ingest_password(self, password: StoredPassword, *, expected_hash: str) -> bool:
        """Replace the password if the stored hash is still this one; False where it is not."""
        ...

    async def add_ingest_password(self, password: StoredPassword) -> StoredPassword:
        """Set the password if there is none yet; returns the one that holds now (another process may be first)."""
        ...


class JobRepository(Protocol):
    """Job records beyond the queue's own moves."""

    async def get(self, job_id: UUID) -> Job:
        """The job; JobNotFound."""
        ...

    async def append_logs(self, entries: Collection[LogEntry]) -> None:
        """Append to the processing log. Entries of jobs that no longer exist are dropped."""
        ...

    async def logs(self, job_id: UUID) -> list[LogEntry]:
        """Everything that happened to the job, oldest first."""
        ...

    async def recent_results(self, slot_id: str, *, now: datetime, limit: int) -> list[Job]:
        """The slot's newest jobs with a result that has not expired at `now`, newest first."""
        ...

    async def store_preview(self, job_id: UUID, preview: bytes) -> bool:
        """Keep a preview with a finalized job whose answer was not sent yet; False where it is not wanted any more."""
        ...

    async def preview(self, job_id: UUID) -> bytes | None:
        """The inline preview, while there is one."""
        ...

    async def clear_preview(self, job_id: UUID, *, answered_at: datetime) -> None:
        """Note that the synchronous answer was sent and drop the preview; none is stored after that."""
        ...

    async def clear_previews(self, *, finalized_before: datetime, limit: int) -> int:
        """Drop the previews of jobs finalized before a moment; returns how many."""
        ...

    async def expired_results(self, *, now: datetime, limit: int) -> list[Job]:
        """Jobs whose result expired and is not marked as purged yet."""
        ...

    async def mark_purged(self, job_ids: Collection[UUID], *, now: datetime) -> None:
        """Note that these jobs' results are gone; their idempotency keys are free again."""
        ...

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        """Those of these payload, result and preview keys that belong to a job which still needs them.

        A payload is needed while its job is live, a result and its preview until they are marked as purged. A preview
        is named after its result: same name up to the extension, `.webp`.
        """
        ...


class MediaRepository(Protocol):
    """Media objects: temporary files with a public link."""

    async def add(self, media: MediaObject) -> None: ...

    async def get(self, media_id: UUID) -> MediaObject | None:
        """The media object, expired, removed or not; None if there never was one."""
        ...

    async def of_job(self, job_id: UUID) -> list[MediaObject]: ...

    async def expired(self, *, now: datetime, limit: int) -> list[MediaObject]: ...

    async def remove(self, media_ids: Collection[UUID], *, now: datetime) -> None:
        """Take the files out of the books; their links end now, and the ids stay known as expired."""
        ...

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        """Those of these keys that belong to a media object which was not removed."""
        ...
