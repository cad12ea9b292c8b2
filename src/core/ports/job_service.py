"""Jobs as HTTP, commands and embedding code use them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
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

    async def require_capacity(self, slot: Slot, *, idempotency_key: str | None = None) -> None:
        """Raise QueueFull where a photo that is sent now cannot be answered in time, before it is received.

        Passes where the photo may belong to an existing job; `create` decides then.
        """
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
        patience: timedelta | None = None,
    ) -> Job:
        """Create a job from a received photo, or return the one that already does this work.

        That is a job of the same slot with the same idempotency key, or one of the same photo whose client
        disconnected. One that has timed out while its call goes on is waited for, for the whole window or `patience`:
        it is returned with the late picture, or without one at the end of that time; where its call fails before, a new
        job is created for what is left of the window.

        The service owns the photo from here on, and removes it where no job needs it.

        Raises QueueFull where too many jobs are live, or no entry of the route can be expected to make the picture
        within the window; the job's route begins with the first entry that can.
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
        """`admit`, `require_capacity`, `receive_photo` and `create` in one."""
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
