"""The rows that the memory adapters share, in dictionaries.

No method awaits, so each one is atomic.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from ...core.domain.errors import JobNotFound
from ...core.domain.ids import new_id
from ...core.domain.ingest_request import IngestRequest
from ...core.domain.job import Job, JobEvent, JobSource, JobState, LogEntry, LogEvent, Outcome, finalize
from ...core.domain.routing.provider_usage import Usage
from ...core.domain.stats.summary import Ended, ended_job
from ...core.domain.webhook import Delivery, DeliveryState, Webhook
from ...core.ports.clock import Clock

Topic = UUID | Literal["work", "moved"]
"""A subject of wake-ups: the end of one job, new work, or any change."""


class MemoryDatabase:
    """The DatabaseStatus port; the state behind queue, signals, job records, statistics, limits and webhooks."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.jobs: dict[UUID, Job] = {}
        self.events: list[JobEvent] = []
        self.last_event = 0
        self.answered: set[UUID] = set()
        self.hidden: set[UUID] = set()
        self.ended: list[Ended] = []
        self.jobs_kept_from: datetime | None = None
        self.permits: dict[UUID, set[tuple[str, int]]] = {}
        self.usage: dict[str, Usage] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.deliveries: dict[UUID, Delivery] = {}
        self.ingest_requests: dict[str, IngestRequest] = {}
        self.listeners: dict[Topic, set[asyncio.Event]] = {}
        self.has_unclaimed_work = False
        """Whether jobs came while nothing waited for work."""

    def job(self, job_id: UUID) -> Job:
        """The job; JobNotFound."""
        try:
            return self.jobs[job_id]
        except KeyError:
            raise JobNotFound("Job not found.") from None

    async def ping(self) -> None: ...

    async def require_fit(self) -> None:
        """Memory always is."""

    async def require_current_schema(self) -> None: ...

    async def servers(self) -> tuple[()]:
        return ()

    async def now(self) -> datetime:
        """The current time by this database's clock."""
        return self.clock.now()

    def permits_taken(self, provider_id: str) -> int:
        """Number of permits of the provider that running jobs hold."""
        now = self.clock.now()
        return sum(
            provider_id == permit[0]
            for job_id, permits in self.permits.items()
            if held(self.jobs[job_id], now)
            for permit in permits
        )

    def keep(self, job: Job, event: LogEvent, **detail: Any) -> Job:
        """Store a job with a log entry for its change."""
        self.jobs[job.id] = job
        self.log(LogEntry(job.id, self.clock.now(), event, detail))
        return job

    def log(self, entry: LogEntry) -> None:
        """Append an entry to the processing log if its job exists."""
        if (job := self.jobs.get(entry.job_id)) is None:
            return
        late = entry.event is LogEvent.ATTEMPT and job.finalized_at is not None
        if late and job.finalized_at is not None:
            entry = msgspec.structs.replace(entry, at=min(entry.at, job.finalized_at))
        self.last_event += 1
        self.events.append(JobEvent(self.last_event, entry, job.slot_id, job.source, after_end=late))

    def end(self, job: Job, outcome: Outcome) -> Job:
        """Finalize a live job: outcome, log entry, statistics, webhook, wake-up."""
        ended = self.jobs[job.id] = finalize(job, outcome)
        detail = {
            "state": str(outcome.state),
            "failure_reason": outcome.failure_reason and str(outcome.failure_reason),
            "attempt": job.attempt,
        }
        self.log(LogEntry(job.id, outcome.finalized_at, LogEvent.FINALIZED, detail))
        self.permits.pop(job.id, None)
        if (counted := ended_job(ended)) is not None:
            self.ended.append(counted)
        if ended.slot_id in self.webhooks and ended.source is not JobSource.TEST:
            self._put_into_outbox(ended)
        self.wake(job.id)
        return ended

    def wake(self, topic: Topic) -> None:
        """Wake the subscribers of this topic and those of any change."""
        if topic == "work" and topic not in self.listeners:
            self.has_unclaimed_work = True
        for listener in (*self.listeners.get(topic, ()), *self.listeners.get("moved", ())):
            listener.set()

    def _put_into_outbox(self, ended: Job) -> None:
        now = self.clock.now()
        delivery = Delivery(
            id=new_id(now),
            slot_id=ended.slot_id,
            job_id=ended.id,
            state=DeliveryState.PENDING,
            created_at=now,
            next_at=now,
        )
        self.deliveries[delivery.id] = delivery


def held(job: Job, now: datetime) -> bool:
    """Whether a worker holds the job: an expired lease must not block the job itself."""
    return job.state is JobState.PROCESSING and job.lease_until is not None and job.lease_until > now
