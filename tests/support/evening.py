"""An evening at the booths, for pages that show jobs and statistics: real photos and pictures, and what goes wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID

import msgspec
from photochanger.core.domain.deadlines import DEFAULT_SYNC_RESPONSE
from photochanger.core.domain.job import LogEvent
from photochanger.core.domain.stats.summary import Ended, StatsOutcome, bucket_of
from photochanger.core.ports.provider import ProviderRequest, Rejected, Retryable

from tests.support.administration import Administrator
from tests.support.http_server import PICTURE, Script, Service, until

MARKUP = "<b>Wedding</b> & oil"
"""A slot's name that must stay text."""

NAMES = {
    "slot-001": MARKUP,
    "slot-005": "Pencil portraits",
    "slot-006": "Pop art wall",
    "slot-007": "Watercolour corner",
}
LOOKS = {"slot-005": "sketch", "slot-006": "pop", "slot-007": "watercolor"}


def demo_photo(name: str) -> bytes:
    """One of the photos that the demo sends."""
    return files("photochanger.entrypoints.diagnostics.sample_photos").joinpath(f"{name}.jpg").read_bytes()


async def named_slots(admin: Administrator) -> None:
    """Slots as a studio names them; 005 to 007 draw on this machine, 001 asks the scripted provider."""
    for slot_id, name in NAMES.items():
        changes: dict[str, Any] = {"name": name, "active": True}
        if slot_id in LOOKS:
            entry = {"provider_id": "local", "operation_id": "stylize", "settings": {"look": LOOKS[slot_id]}}
            changes["route"] = [entry]
        answer = await admin.change_slot(slot_id, **changes)
        assert answer.status_code == 200, answer.text


async def pictured(service: Service, slot_id: str, photo: str, **fields: str) -> str:
    """The id of a job of this slot that a demo photo went through."""
    answer = await service.ingest(slot_id, demo_photo(photo), **fields)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-job-id"]


async def refused(service: Service, slot_id: str = "slot-001") -> str:
    """The id of a job that its provider would not do."""
    before = service.provider.script

    async def refuse(request: ProviderRequest) -> bytes:
        raise Rejected("IMAGE_SAFETY: the picture was not made.")

    service.provider.script = refuse
    answer = await service.ingest(slot_id, demo_photo("coffee"))
    service.provider.script = before
    assert answer.status_code == 502, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


def second_time_lucky(answer: bytes = PICTURE) -> Script:
    """A script whose first call comes back without a picture."""
    calls = 0

    async def script(request: ProviderRequest) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Retryable("NO_IMAGE: the answer holds no picture.")
        return answer

    return script


def count(
    service: Service,
    at: datetime,
    outcome: StatsOutcome,
    *,
    slot_id: str = "slot-001",
    provider_id: str,
    seconds: float,
) -> None:
    """One more ended job in the statistics, with its latency where it succeeded."""
    bucket = bucket_of(timedelta(seconds=seconds)) if outcome is StatsOutcome.SUCCESS else -1
    service.database.ended.append(
        Ended(slot_id=slot_id, at=at, provider_id=provider_id, outcome=outcome, bucket=bucket)
    )


async def as_if_slow(service: Service, job_id: str, *durations: float) -> None:
    """Let the calls of an ended job have taken so many seconds, one after the other, and the job as long as they, in
    the usual window. The first one began 0.4 s after the photo came, however long the worker took."""
    job = service.database.jobs[UUID(job_id)]
    assert job.outcome is not None
    spec = msgspec.structs.replace(job.spec, expires_at=job.created_at + DEFAULT_SYNC_RESPONSE)
    job = msgspec.structs.replace(job, spec=spec)

    async def noted() -> bool:
        entries = [event.entry for event in service.database.events if event.entry.job_id == job.id]
        return sum(entry.event is LogEvent.ATTEMPT for entry in entries) == len(durations)

    await until(noted)
    events = service.database.events
    began, left = job.created_at + timedelta(seconds=0.4), list(durations)
    for place, event in enumerate(events):
        entry = event.entry
        if entry.job_id != job.id:
            continue
        if entry.event in (LogEvent.RECEIVED, LogEvent.ACQUIRED):
            entry = msgspec.structs.replace(entry, at=job.created_at)
        elif entry.event is LogEvent.ATTEMPT:
            seconds = left.pop(0)
            detail = entry.detail | {"started_at": began.isoformat(), "duration_ms": seconds * 1000}
            began += timedelta(seconds=seconds + 0.6)
            entry = msgspec.structs.replace(entry, at=began, detail=detail)
        elif entry.event is LogEvent.FINALIZED:
            ended_at = job.created_at + timedelta(seconds=sum(durations) + 0.4 + 0.6 * len(durations))
            entry = msgspec.structs.replace(entry, at=ended_at)
            service.database.jobs[job.id] = msgspec.structs.replace(
                job, outcome=msgspec.structs.replace(job.outcome, finalized_at=ended_at)
            )
        events[place] = msgspec.structs.replace(event, entry=entry)
