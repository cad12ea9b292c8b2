"""Jobs as HTTP, commands and embedding code use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ..domain.accounts import Actor
from ..domain.job import Job, JobSource
from ..domain.media import Photo
from ..domain.slots.slot import Slot


class JobService(Protocol):
    """The life of a job. Every method may also raise QueueUnavailable and StorageUnavailable."""

    async def admit(self, slot_id: str) -> Slot:
        """The slot if it accepts photos; SlotNotFound, SlotDisabled, StorageUnavailable for too little disk space."""
        ...

    async def receive_photo(self, slot: Slot, data: AsyncIterator[bytes]) -> Photo:
        """Store a photo while it arrives and read its header; a photo that is refused is not kept.

        Raises PayloadTooLarge, UnsupportedMediaType (as soon as the first bytes show it), UndecodableImage,
        ImageTooLarge. The caller deletes the file of a photo that it creates no job from.
        """
        ...

    async def create(
        self,
        slot: Slot,
        photo: Photo,
        *,
        source: JobSource = JobSource.INGEST,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        received_at: datetime | None = None,
    ) -> Job:
        """Create a job from a received photo, or return the one that already does this work.

        Its sync window began at `received_at` (None: it begins now). While the queue is unavailable this waits, until
        the window ends; a lost reply creates no second job.
        One that does this work has the same slot and idempotency key, or the same photo and a client that disconnected.
        The service owns the photo from here on, and removes it where no job needs it. Raises QueueFull, and
        UploadInterrupted where the window has ended already.
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
        """Wait for the job's end, at most until its deadline. With an earlier `until` it may return a live job.

        `known` saves the first read where the caller has just read or created the job. At the deadline the job is
        finalized here, so a lack of workers does not delay the answer. Raises JobNotFound, and QueueUnavailable where
        the queue is unavailable at the deadline.
        """
        ...

    async def cancel(self, job_id: UUID, *, by: Actor | None = None) -> Job:
        """Cancel a live job and stop its provider call; JobNotFound, JobFinalized.

        With `by` the cancel and its audit entry are one transaction: where the entry cannot be written, the job goes
        on.
        """
        ...
