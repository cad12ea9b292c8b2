"""Whatever entered with a photo is in no table, no file and no log once its time is over, or its guest was erased.

Every way in carries a mark of its own, so a failure names the way that was overlooked. All tables are searched as text.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import httpx
import msgspec
import psycopg
import pytest
from photochanger import Settings, create_app
from photochanger.adapters.system_clock import SystemClock
from photochanger.core.domain.accounts import COMMAND_LINE
from photochanger.core.domain.job import JobState
from photochanger.core.domain.media import ImageLimits, one_chunk
from photochanger.core.domain.slots.slot import RouteEntry, shipped_slots
from photochanger.core.ports.accounts import PasswordHasher
from photochanger.core.ports.clock import Clock
from photochanger.core.ports.job_service import JobService
from photochanger.core.ports.media_service import MediaService
from photochanger.core.ports.provider import ProviderRequest, Rejected
from photochanger.core.ports.repositories.job_log import JobLog
from photochanger.core.ports.repositories.slot_repository import SlotRepository
from photochanger.core.services.jobs.erasure import GuestErasure
from photochanger.core.services.maintenance.sweeper import Sweeper
from photochanger.core.services.providers.registry import ProviderRegistry
from photochanger.entrypoints.container import make_container

from tests.support import photos
from tests.support.http_server import (
    BOUNDARY,
    END,
    FORM,
    PASSWORD,
    Gate,
    QuickHasher,
    ScriptedProvider,
    part,
    running,
    until,
)
from tests.support.plain_http import NO_TLS

pytestmark = pytest.mark.anyio

RETENTION = timedelta(hours=72)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SLOTS = ("slot-001", "slot-002", "slot-003", "slot-004")


def commented(data: bytes, mark: str) -> bytes:
    """The JPEG with a comment."""
    text = mark.encode()
    return data[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + data[2:]


class Guest:
    """One photo and everything that comes with it, each with a mark."""

    def __init__(self, name: str) -> None:
        self.name = name
        ways = ("field", "fieldname", "filename", "key", "agent", "photo", "words", "reference", "made", "copy")
        self.marks = {way: f"Mark_{name}_{way}" for way in ways}
        self.headers = {
            "Content-Type": FORM,
            "Idempotency-Key": self.marks["key"],
            "User-Agent": self.marks["agent"],
            "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
        }

    @property
    def form(self) -> bytes:
        photo = commented(photos.jpeg(160, 120), self.marks["photo"])
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="fileToUpload"; filename="{self.marks["filename"]}"'
        )
        file = f"{head}\r\nContent-Type: image/jpeg\r\n\r\n".encode() + photo + b"\r\n"
        fields = part("guest", self.marks["field"]) + part(self.marks["fieldname"], "x")
        return part("password", PASSWORD) + fields + file + END

    async def picture(self, request: ProviderRequest) -> bytes:
        await request.note_reference(self.marks["reference"])
        return commented(photos.jpeg(64, 48), self.marks["made"])

    async def refusal(self, request: ProviderRequest) -> bytes:
        await request.note_reference(self.marks["reference"])
        raise Rejected(f"No picture of {self.marks['words']}.")


class Later(SystemClock):
    """The clock after a time has passed."""

    def __init__(self, passed: timedelta) -> None:
        self._passed = passed

    def now(self) -> datetime:
        return super().now() + self._passed


@contextlib.asynccontextmanager
async def studio(home: Path, url: str) -> AsyncIterator[SimpleNamespace]:
    """A service on this database whose provider does what the test says."""
    provider = ScriptedProvider()
    registry = ProviderRegistry([provider], limits=ImageLimits(max_pixels=10**8))
    settings = Settings(home=home, database_url=url, ingest_password=PASSWORD, result_retention=RETENTION)
    app = create_app(settings, adapters={ProviderRegistry: registry, PasswordHasher: QuickHasher()})
    async with app.lifespan() as opened, running(app) as port:
        slots = await opened.container.get(SlotRepository)
        for slot in shipped_slots():
            if slot.id in SLOTS:
                await change_route(slots, slot.id)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=NO_TLS, timeout=120) as client:
            yield SimpleNamespace(container=opened.container, provider=provider, client=client, settings=settings)


async def change_route(slots: SlotRepository, slot_id: str) -> None:
    slot = await slots.get(slot_id)
    route = msgspec.structs.replace(
        slot.route, entries=(RouteEntry("scripted", "any", {"prompt": "a {guest}"}),), prompt_fields=("guest",)
    )
    await slots.save(msgspec.structs.replace(slot, route=route), expected_version=slot.version)


def traces(url: str, home: Path) -> Iterator[str]:
    """Everything that is stored, as text: all rows of all tables, names and bytes of all files."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'photochanger'").fetchall()
        assert len(tables) > 20
        for (table,) in tables:
            for (row,) in connection.execute(f"select row_to_json(rows)::text from photochanger.{table} as rows"):
                yield row
            for (column,) in connection.execute(
                "select column_name from information_schema.columns where table_schema = 'photochanger'"
                " and data_type = 'bytea' and table_name = %s",
                [table],
            ):
                for (data,) in connection.execute(f"select {column} from photochanger.{table}"):
                    yield "" if data is None else bytes(data).decode("latin-1")
    for path in (home / "media").rglob("*"):
        yield path.name
        if path.is_file():
            yield path.read_bytes().decode("latin-1")


def found(marks: list[str], url: str, home: Path) -> set[str]:
    stored = "\n".join(traces(url, home))
    return {mark for mark in marks if mark in stored}


async def send(studio: SimpleNamespace, guest: Guest, slot_id: str) -> httpx.Response:
    answer: httpx.Response = await studio.client.post(f"/ingest/{slot_id}", content=guest.form, headers=guest.headers)
    return answer


async def settled(studio: SimpleNamespace, job_id: str) -> None:
    """Return once all that is written after the answer has been written: the call's record, the last request."""
    log = await studio.container.get(JobLog)

    async def recorded() -> bool:
        return any(entry.event == "attempt" for entry in await log.entries(UUID(job_id)))

    await until(recorded)


async def the_evening(studio: SimpleNamespace, guests: dict[str, Guest]) -> list[str]:
    """A picture, a refusal by the provider, a cancelled job; returns the ids of the jobs."""
    jobs = await studio.container.get(JobService)
    media = await studio.container.get(MediaService)
    made, refused, stopped = guests["made"], guests["refused"], guests["stopped"]
    studio.provider.script = made.picture
    answer = await send(studio, made, "slot-001")
    assert answer.status_code == 200
    ids = [answer.headers["x-job-id"]]
    copy = commented(photos.jpeg(64, 48), made.marks["copy"])
    job = await jobs.get(UUID(ids[0]))
    await media.register(one_chunk(copy), mime="image/jpeg", max_bytes=10_000, job=job)
    studio.provider.script = refused.refusal
    answer = await send(studio, refused, "slot-002")
    assert answer.status_code == 502
    assert refused.marks["words"] in answer.text
    ids.append(answer.headers["x-job-id"])
    for job_id in ids:
        await settled(studio, job_id)
    gate = Gate()
    studio.provider.script = gate
    waiting = asyncio.ensure_future(send(studio, stopped, "slot-003"))
    await gate.held(1)
    with psycopg.connect(studio.settings.database_url) as connection:
        live = connection.execute("select id from photochanger.jobs where finalized_at is null").fetchone()
    assert live is not None
    ids.append(str(live[0]))
    await jobs.cancel(live[0])
    assert (await waiting).status_code == 409
    gate.opened.set()
    return ids


def evening_guests() -> tuple[dict[str, Guest], list[str]]:
    guests = {name: Guest(name) for name in ("made", "refused", "stopped")}
    return guests, [TRACE, *(mark for guest in guests.values() for mark in guest.marks.values())]


async def test_guests_are_forgotten_when_their_time_is_over(
    tmp_path: Path, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    guests, marks = evening_guests()
    async with studio(tmp_path, postgres_url) as open_studio:
        await open_studio.container.get(Sweeper)
        ids = await the_evening(open_studio, guests)
    seen = found(marks, postgres_url, tmp_path)
    for way in ("field", "filename", "agent", "key", "copy", "reference"):
        assert guests["made"].marks[way] in seen, way
    assert guests["made"].marks["made"] not in seen, "what a provider writes into a picture is taken out at once"
    assert guests["refused"].marks["words"] in seen
    assert guests["stopped"].marks["field"] in seen
    assert TRACE in seen
    await sweep(tmp_path, postgres_url, passed=RETENTION + timedelta(hours=1))
    assert found(marks, postgres_url, tmp_path) == set()
    assert {mark for mark in marks if mark in caplog.text} == set()
    assert states(postgres_url, ids) == [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]


async def test_guests_are_forgotten_at_once_when_they_are_erased(tmp_path: Path, postgres_url: str) -> None:
    guests, marks = evening_guests()
    async with studio(tmp_path, postgres_url) as open_studio:
        ids = await the_evening(open_studio, guests)
        erasure = await open_studio.container.get(GuestErasure)
        for job_id in ids:
            await erasure.erase(UUID(job_id), by=COMMAND_LINE)
    # What was on its way, such as the last request of the slot, goes with the repetition.
    await sweep(tmp_path, postgres_url, passed=timedelta(minutes=2))
    assert found(marks, postgres_url, tmp_path) == set()
    assert states(postgres_url, ids) == [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]


async def sweep(home: Path, url: str, *, passed: timedelta) -> None:
    """What the sweeper does after this time."""
    container = make_container(Settings(home=home, database_url=url), {Clock: Later(passed)})
    try:
        sweeper = await container.get(Sweeper)
        await sweeper.sweep_expired()
        await sweeper.sweep_orphans()
    finally:
        await container.close()


def states(url: str, ids: list[str]) -> list[JobState]:
    with psycopg.connect(url) as connection:
        rows = dict(connection.execute("select id::text, state from photochanger.jobs").fetchall())
    return [JobState(rows[job_id]) for job_id in ids]
