"""The jobs port: what HTTP, workers, commands and embedding code do with jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from ..domain.job import Claim, FailureReason, Job, JobFilter, JobOrder, JobSource, LogEntry
from ..domain.media import ImageLimits, Photo, StoredPicture
from ..domain.pagination import Page, Position
from ..domain.slot import Slot


class JobService(Protocol):
    """Everything that is done with jobs. Methods may also raise QueueUnavailable and StorageUnavailable."""

    async def admit(self, slot_id: str) -> Slot:
        """The slot, if photos may come in on it; SlotNotFound, SlotDisabled, StorageUnavailable for lack of room."""
        ...

    async def receive_photo(self, slot: Slot, data: AsyncIterator[bytes]) -> Photo:
        """Store a photo while it arrives and read its header; nothing stays behind when it is refused.

        Raises PayloadTooLarge, UnsupportedMediaType (as soon as the first bytes show it), UndecodableImage,
        ImageTooLarge.
        """
        ...

    async def discard_photo(self, photo: Photo) -> None:
        """Remove a received photo that no job will be made of."""
        ...

    async def create(
        self,
        slot: Slot,
        photo: Photo,
        *,
        source: JobSource = JobSource.INGEST,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Make a job of a received photo, or join the one that already does this work.

        Joined is a job of the same slot with the same idempotency key, or one of the same photo whose client hung up.
        The photo is taken over: where no job needs it, it is removed. Raises QueueFull.
        """
        ...

    async def submit(
        self,
        slot_id: str,
        data: AsyncIterator[bytes],
        *,
        source: JobSource = JobSource.LIBRARY,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """`admit`, `receive_photo` and `create` in one."""
        ...

    async def get(self, job_id: UUID) -> Job:
        """The job; JobNotFound."""
        ...

    async def wait(self, job_id: UUID, *, until: datetime | None = None, known: Job | None = None) -> Job:
        """Wait for the job's end, at most until its deadline (or `until`, where that is sooner: then it may be live).

        `known` is the job as it was just now, where the caller has it: then it is not looked at first.

        At the deadline the job is finalized here, so the answer is never later than that for want of a worker. Raises
        JobNotFound, and QueueUnavailable when the deadline passes while the queue cannot be reached.
        """
        ...

    async def abandon(self, job_id: UUID) -> None:
        """Note that the waiting client has hung up; the job goes on."""
        ...

    async def acquire_next_job(
        self, worker: str, *, n: int = 1, lease: timedelta | None = None, limits: Mapping[str, int] | None = None
    ) -> list[Claim]:
        """Take up to `n` jobs to work on."""
        ...

    async def store_picture(self, job: Job, data: bytes, *, limits: ImageLimits) -> StoredPicture:
        """Prove that bytes are a picture and store them as a job's result to be, both at once.

        Nothing stays behind where they are not. Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge.
        """
        ...

    async def discard_picture(self, picture: StoredPicture) -> None:
        """Remove a stored picture that no job will be finalized with."""
        ...

    async def finalize_job(
        self, claim: Claim, picture: StoredPicture, *, provider_id: str, operation_id: str
    ) -> Job | None:
        """End a job with its picture, by compare-and-set. None: someone was first, and the picture is removed."""
        ...

    async def fail(
        self,
        job: Job,
        reason: FailureReason,
        *,
        error_code: str,
        detail: str,
        claim: Claim | None,
        provider_id: str | None = None,
        operation_id: str | None = None,
    ) -> Job | None:
        """End a job without its picture; the slot's failure answer is made and stored where it is one. None: someone
        was first."""
        ...

    async def cancel(self, job_id: UUID) -> Job:
        """End a live job as cancelled and stop its provider call. JobNotFound; JobFinalized where it has ended."""
        ...

    async def find(
        self, wanted: JobFilter, *, order: JobOrder = JobOrder.NEWEST, limit: int = 50, after: Position | None = None
    ) -> Page[Job]:
        """A page of jobs, beginning after this position."""
        ...

    async def logs(self, job_id: UUID) -> list[LogEntry]:
        """Everything that happened to the job, oldest first. JobNotFound."""
        ...

    async def gallery(self, slot: Slot, *, limit: int, after: Position | None = None) -> Page[Job]:
        """The slot's results that have not expired, newest first, without test runs. A page begins after this
        position (`finalized_at`, id)."""
        ...

    async def append_processing_logs(self, entries: Collection[LogEntry]) -> None:
        """Append to the processing log."""
        ...

    async def refresh_recent_results(self, slot_id: str) -> list[Job]:
        """The slot's ten newest results that have not expired."""
        ...

    async def clear_inline_preview(self, job_id: UUID) -> None:
        """Note that the synchronous answer was sent; its preview is not needed any more."""
        ...
