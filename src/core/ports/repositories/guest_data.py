"""The data of guests in stored jobs: erasing it on request, forgetting it with the picture."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from ...domain.audit import AuditEntry
from ...domain.job import Job, Outcome


class Erasure(msgspec.Struct, frozen=True):
    """An erased job, which still names its files, and whether it was live and this erasure ended it."""

    job: Job
    ended: bool


class GuestData(Protocol):
    """Guests' data in jobs, processing logs and last requests. Every method may raise QueueUnavailable.

    What counts as a guest's data is defined by `domain.guest_data`. No file is touched: a caller deletes the files
    before it calls `forget`.
    """

    async def erase(self, job_id: UUID, outcome: Outcome, *, audit: AuditEntry | None = None) -> Erasure:
        """Erase the guest of a job at the moment of `outcome`, with a log entry; all of it or nothing. JobNotFound.

        A live job ends with this outcome, as by `JobQueue.mark_finalized`: nothing that its worker still sends is
        stored. Links to the result and to the media objects expire now. A job that is erased already is only returned,
        without an audit entry.
        """
        ...

    async def due(self, *, now: datetime, ended_before: datetime, erased_before: datetime, limit: int) -> list[Job]:
        """Up to `limit` jobs that are to be forgotten, each until it is.

        Those whose result has expired, those without a result that ended before `ended_before`, and those erased
        before `erased_before`.
        """
        ...

    async def forget(self, job_ids: Collection[UUID], *, now: datetime) -> int:
        """Delete the guests' data of these ended jobs, and record that their files are gone.

        Returns how many of them were not forgotten before: hosts may forget the same jobs at the same time.
        """
        ...
