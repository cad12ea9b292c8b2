"""The SlotRecordReader port in memory."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from ....core.domain.job import FailureReason, Job, JobSource, JobState
from ....core.domain.slots.activity import EndedJobs, EndedLatency, LiveJobs, NewestPicture, SlotRecords, minute_of
from ....core.domain.stats.summary import bucket_of
from ..database import MemoryDatabase


class MemorySlotRecords:
    """Sums the jobs of a MemoryDatabase."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database

    async def read(self, *, now: datetime, ended_since: datetime) -> SlotRecords:
        guests = [job for job in self._db.jobs.values() if job.source is not JobSource.TEST]
        ends: Counter[tuple[str, datetime, FailureReason | None, bool]] = Counter()
        latencies: Counter[tuple[datetime, int]] = Counter()
        live: dict[str, Counter[JobState]] = {}
        last_photos: dict[str, datetime] = {}
        for job in guests:
            last_photos[job.slot_id] = max(job.created_at, last_photos.get(job.slot_id, job.created_at))
            if job.finalized_at is None:
                live.setdefault(job.slot_id, Counter())[job.state] += 1
            elif job.finalized_at >= ended_since:
                minute = minute_of(job.finalized_at)
                fallback = job.result is not None and job.result.fallback
                ends[job.slot_id, minute, job.failure_reason, fallback] += 1
                if job.state is JobState.SUCCEEDED:
                    latencies[minute, bucket_of(job.finalized_at - job.created_at)] += 1
        return SlotRecords(
            ended=tuple(EndedJobs(*key, count) for key, count in ends.items()),
            latencies=tuple(EndedLatency(*key, count) for key, count in latencies.items()),
            live={id: LiveJobs(states[JobState.PENDING], states[JobState.PROCESSING]) for id, states in live.items()},
            last_photos=last_photos,
            newest=self._newest(now),
        )

    def _newest(self, now: datetime) -> dict[str, NewestPicture]:
        found: dict[str, Job] = {}
        for job in self._db.jobs.values():
            if job.result is None or job.finalized_at is None or job.result_purged_at is not None:
                continue
            if job.result.expires_at > now and job.erased_at is None:
                found[job.slot_id] = max(found.get(job.slot_id, job), job, key=_end)
        return {slot_id: _picture(job) for slot_id, job in sorted(found.items())}


def _end(job: Job) -> tuple[datetime, bytes]:
    assert job.finalized_at is not None
    return job.finalized_at, job.id.bytes


def _picture(job: Job) -> NewestPicture:
    assert job.result is not None
    assert job.finalized_at is not None
    return NewestPicture(
        job_id=job.id,
        completed_at=job.finalized_at,
        expires_at=job.result.expires_at,
        mime=job.result.mime,
        size_bytes=job.result.file.size_bytes,
    )
