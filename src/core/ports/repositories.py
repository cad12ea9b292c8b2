"""What is kept besides the queue: slots, settings, job records and their logs, media objects.

Every method may raise QueueUnavailable where the adapter's database cannot be reached.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ..audit import AuditEntry
from ..jobs import Job, JobEvent, JobFilter, JobOrder, JobSource, LogEntry
from ..media import MediaKey, MediaObject, TemplateMedia
from ..overview import LastJobs
from ..pages import Page, Position
from ..settings import StoredPassword, StoredSettings
from ..slots import Slot

# A change that is to be audited takes the entry along: both are written, or neither.


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

    async def save(self, slot: Slot, *, expected_version: int, audit: AuditEntry | None = None) -> Slot | None:
        """Replace the slot if it still has this version; returns it with the next version and `updated_at` set.

        `stats_reset_at` stays what it was. None where the version differs. SlotNotFound; TemplateNotFound where a
        template that it binds is not there.
        """
        ...

    async def reset_stats(self, slot_id: str, *, at: datetime, audit: AuditEntry | None = None) -> None:
        """Note from when on the slot's statistics are counted; its version stays. SlotNotFound."""
        ...


class SettingsRepository(Protocol):
    """Settings that an administrator changed, and the ingest password's hash."""

    async def get(self) -> StoredSettings: ...

    async def save(
        self, settings: StoredSettings, *, expected_version: int, audit: AuditEntry | None = None
    ) -> StoredSettings | None:
        """Replace the settings if they still have this version; returns them with the next one. None where it
        differs."""
        ...

    async def ingest_password(self) -> StoredPassword | None: ...

    async def set_ingest_password(self, password: StoredPassword, *, audit: AuditEntry | None = None) -> None:
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

    async def find(self, wanted: JobFilter, *, order: JobOrder, limit: int, after: Position | None = None) -> Page[Job]:
        """A page of at most `limit` jobs, beginning after the job at this position (its moment of `order`, its id)."""
        ...

    async def events(self, *, after: int, limit: int) -> list[JobEvent]:
        """Log entries of all jobs whose id is higher, by id.

        Ids are given out before their entries can be seen: an entry may appear after one with a higher id.
        """
        ...

    async def last_event(self) -> int:
        """The highest id of a log entry; 0 where there is none."""
        ...

    async def recent_results(
        self,
        slot_id: str,
        *,
        now: datetime,
        limit: int,
        sources: Collection[JobSource] = tuple(JobSource),
        after: Position | None = None,
    ) -> list[Job]:
        """The slot's newest jobs with a result that has not expired at `now`, newest first (by `finalized_at`).

        Only those of these sources, and only those that come after this position.
        """
        ...

    async def newest_results(self, *, now: datetime) -> dict[str, Job]:
        """The newest of those jobs of every slot that has one, by slot id."""
        ...

    async def last_jobs(self, *, since: datetime) -> dict[str, LastJobs]:
        """How the jobs ended that were finalized from a moment on, by slot id; slots without one are left out."""
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

    async def prune(self, *, before: datetime, limit: int) -> int:
        """Forget up to `limit` jobs that ended before a moment (a whole hour in UTC) and have no result any more.

        Their logs and webhook deliveries go with them; statistics stay. Returns how many jobs it were;
        none while statistics are rebuilt.
        """
        ...

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        """Those of these payload, result and preview keys that belong to a job which still needs them.

        A payload is needed while its job is live, a result and its previews until they are marked as purged. A preview
        is named after its result: same name up to the extension, `.webp`; that of the photo `.photo`.
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


class TemplateRepository(Protocol):
    """Template media and the slots that they are bound to. The bindings are those of the slots: `SlotRepository`
    reads and writes the same ones."""

    async def add(self, template: TemplateMedia, *, audit: AuditEntry | None = None) -> None: ...

    async def add_bound(
        self, template: TemplateMedia, *, slot_id: str, setting_key: str, audit: AuditEntry | None = None
    ) -> None:
        """Add a template and bind it, both or neither; the slot gets its next version. SlotNotFound, BindingTaken."""
        ...

    async def add_replacing(
        self, template: TemplateMedia, *, slot_id: str, setting_key: str, audit: AuditEntry | None = None
    ) -> None:
        """The same, in place of the one that is bound there, if one is; that one is kept. SlotNotFound."""
        ...

    async def get(self, template_id: UUID) -> TemplateMedia | None: ...

    async def find(
        self, *, slot_id: str | None = None, setting_key: str | None = None
    ) -> list[tuple[TemplateMedia, tuple[tuple[str, str], ...]]]:
        """The templates, newest first, each with all its bindings as pairs of slot id and setting key, sorted.

        With `slot_id` or `setting_key` only those that have a binding which fits.
        """
        ...

    async def remove(
        self, template_id: UUID, *, besides: tuple[str, str] | None = None, audit: AuditEntry | None = None
    ) -> TemplateMedia:
        """Take a template out of the books that no slot is bound to, or only by the binding `besides` (slot id, setting
        key), which goes with it; that slot gets its next version then. TemplateNotFound; TemplateInUse also while a job
        that is live began with it."""
        ...

    async def remove_bound(self, template_id: UUID, *, audit: AuditEntry | None = None) -> TemplateMedia:
        """The same, and its bindings with it; each slot that was bound to it gets its next version.
        TemplateNotFound."""
        ...

    async def in_use(self, keys: Collection[MediaKey]) -> set[MediaKey]:
        """Those of these keys that belong to a template: its file, and its thumbnail (same name, `.webp`)."""
        ...


class AuditLog(Protocol):
    """Security events, append-only. What belongs to a change is written with it (see above)."""

    async def append(self, entry: AuditEntry) -> None: ...

    async def find(
        self,
        *,
        limit: int,
        action: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        after: Position | None = None,
    ) -> Page[AuditEntry]:
        """A page of entries, newest first (by `at`, then id), beginning after this position."""
        ...

    async def prune(self, *, before: datetime, limit: int) -> int:
        """Forget up to `limit` entries from before a moment; returns how many."""
        ...
