"""A real HTTP server on a free port for tests: the whole wiring on memory adapters, a folder, a scripted provider."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
from photochanger import Settings, create_app
from photochanger.adapters.imaging import ChildPool
from photochanger.adapters.memory import MemoryDatabase, memory_adapters
from photochanger.adapters.providers.local.provider import LocalProvider
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.job import Job, LogEntry, LogEvent, replace_result
from photochanger.core.domain.media import ImageLimits, MediaKey, MediaKind, PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding
from photochanger.core.domain.slots.slot import RouteEntry
from photochanger.core.ports.accounts import PasswordHasher
from photochanger.core.ports.media_store import MediaStore
from photochanger.core.ports.provider import OperationInfo, ProviderInfo, ProviderRequest, ProviderResult
from photochanger.core.ports.repositories.job_log import JobLog
from photochanger.core.ports.repositories.job_repository import JobRepository
from photochanger.core.ports.repositories.slot_repository import SlotRepository
from photochanger.core.ports.telemetry import Telemetry
from photochanger.core.services.auth.known_addresses import KnownAddresses
from photochanger.core.services.maintenance.purge import PurgeService
from photochanger.core.services.providers.registry import ProviderRegistry
from photochanger.entrypoints.embed.app import PhotoChanger
from photochanger.entrypoints.http.connection.limits import ConnectionLimits, limits_for
from photochanger.entrypoints.http.connection.places import OWN_ADDRESSES, Places
from photochanger.entrypoints.http.listening import bound_socket, listen
from photochanger.entrypoints.http.protocol.forwarded import TrustedProxies
from photochanger.entrypoints.http.server import make_server
from photochanger.entrypoints.process.file_limit import file_limit

from tests.support import photos
from tests.support.movable_clock import MovableClock
from tests.support.picture_work import InProcess
from tests.support.plain_http import NO_TLS
from tests.support.service import LONG_WINDOW

PASSWORD = "open sesame"
ADMIN_PASSWORD = "correct horse battery staple"
PICTURE = photos.jpeg(64, 48)
"""What the scripted provider answers with unless a test says otherwise."""

BOUNDARY = "camera-7b1e"
FORM = f"multipart/form-data; boundary={BOUNDARY}"

Script = Callable[[ProviderRequest], Awaitable[bytes]]


class ScriptedProvider:
    """Does what the test says: `script` gets the request and returns the bytes of the answer.

    A call is expected to cost `price`; its answer names `cost`, `model` and `seed`.
    """

    info = ProviderInfo(
        id="scripted",
        title="Scripted",
        operations=(
            OperationInfo(
                id="any",
                title="Any",
                settings_schema={"type": "object"},
                needs=PictureNeeds(("image/jpeg", "image/png"), max_bytes=64 * 1024 * 1024, max_pixels=100_000_000),
            ),
        ),
    )

    def __init__(self) -> None:
        self.calls = 0
        self.script: Script = self._picture
        self.price: CallCost | None = None
        self.cost: CallCost | None = None
        self.model: str | None = None
        self.seed: int | None = None

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return self.price

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        """Any settings will do."""

    async def process(self, request: ProviderRequest) -> ProviderResult:
        self.calls += 1
        return ProviderResult(await self.script(request), cost=self.cost, model=self.model, seed=self.seed)

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        """Return no findings."""
        return []

    async def close(self) -> None:
        """Nothing is held."""

    async def _picture(self, request: ProviderRequest) -> bytes:
        return PICTURE


class QuickHasher:
    """Passwords hashed in no time; the slow hash is tested by itself and by the tests of whole services."""

    async def hash(self, password: str) -> str:
        return hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()

    async def verify(self, password: str, hash: str) -> bool:
        return await self.hash(password) == hash

    def is_outdated(self, hash: str) -> bool:
        return False


class Gate:
    """A script that holds every call until the test opens it."""

    def __init__(self, answer: bytes = PICTURE) -> None:
        self.waiting = 0
        self.opened = asyncio.Event()
        self._arrived = asyncio.Condition()
        self._answer = answer

    async def __call__(self, request: ProviderRequest) -> bytes:
        async with self._arrived:
            self.waiting += 1
            self._arrived.notify_all()
        await self.opened.wait()
        return self._answer

    async def held(self, calls: int) -> None:
        """Return once so many calls have arrived."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.waiting >= calls)


class Service:
    """A running server and what a test wants to look at behind it."""

    def __init__(
        self,
        opened: PhotoChanger,
        *,
        provider: ScriptedProvider,
        database: MemoryDatabase,
        port: int,
        client: httpx.AsyncClient,
        places: Places,
        clock: MovableClock,
    ) -> None:
        self.opened = opened
        self.provider = provider
        self.database = database
        self.port = port
        self.client = client
        self.places = places
        self.clock = clock

    async def ingest(
        self,
        slot_id: str = "slot-001",
        photo: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: str,
    ) -> httpx.Response:
        """The camera's request with these fields, and its answer."""
        return await self.post_form(slot_id, form(photo, **fields), headers=headers)

    async def post_form(
        self, slot_id: str, body: bytes, *, headers: Mapping[str, str] | None = None, content_type: str = FORM
    ) -> httpx.Response:
        """Any body as the form of an ingest."""
        sent = {"Content-Type": content_type, **(headers or {})}
        return await self.client.post(f"/ingest/{slot_id}", content=body, headers=sent)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection, for clients that are not polite."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def job(self, job_id: str | UUID) -> Job:
        """The job's row."""
        jobs: JobRepository = await self.opened.container.get(JobRepository)
        return await jobs.get(UUID(str(job_id)))

    async def only_job(self) -> Job:
        """The one job there is; a client that hung up has no id."""
        (job,) = self.database.jobs.values()
        return job

    async def purged(self) -> None:
        """Return once no purge is under way."""
        await (await self.opened.container.get(PurgeService)).idle()

    async def expire_result(self, job_id: str) -> None:
        """Let the time of a job's result be over."""
        job = self.database.jobs[UUID(job_id)]
        assert job.result is not None
        ended = msgspec.structs.replace(job.result, expires_at=job.created_at)
        self.database.jobs[job.id] = replace_result(job, ended)

    async def call_noted(self, job_id: str) -> None:
        """Return once the processing log has the call that made the picture: it is noted after the guest's answer."""
        log: JobLog = await self.opened.container.get(JobLog)

        async def noted() -> bool:
            return LogEvent.ATTEMPT in {entry.event for entry in await log.entries(UUID(job_id))}

        await until(noted)

    async def log_noise(self, text: str) -> None:
        """A long line in the processing log of a job that ended long ago."""
        job = next(iter(self.database.jobs.values()), None) or await self.job((await self.ingest()).headers["x-job-id"])
        log: JobLog = await self.opened.container.get(JobLog)
        await log.append([LogEntry(job.id, datetime.now(UTC), LogEvent.REFERENCE, {"remark": text})])

    async def change_slot(self, slot_id: str, **changes: Any) -> None:
        """Change fields of a slot's route, `active`, and `budget`."""
        slots = await self.opened.container.get(SlotRepository)
        slot = await slots.get(slot_id)
        own = {name: changes.pop(name) for name in ("active", "budget") if name in changes}
        route = msgspec.structs.replace(slot.route, **changes)
        changed = msgspec.structs.replace(slot, route=route, **own)
        await slots.save(changed, expected_version=slot.version)

    async def files(self, kind: MediaKind) -> list[MediaKey]:
        """What lies in the store of this kind."""
        settings = await self.opened.container.get(Settings)
        names = await asyncio.to_thread(os.listdir, settings.media_folder / kind)
        return [MediaKey(kind, name) for name in names]


@contextlib.asynccontextmanager
async def serving(
    home: Path,
    *,
    adapters: Mapping[type, object] | None = None,
    limits: ConnectionLimits | None = None,
    **settings: Any,
) -> AsyncIterator[Service]:
    """The service on a free port; slots 001 to 004 go to the scripted provider; `local` is there too.

    Its sync window is LONG_WINDOW, which a test lets pass by `clock`, unless it sets one.

    `settings` as in Settings. `limits`: of connections; None: those of the limit on open files.
    """
    provider = ScriptedProvider()
    in_process = InProcess()
    clock = MovableClock()
    database = MemoryDatabase(clock)
    behind = memory_adapters(clock, database)
    del behind[MediaStore]  # the folder's is used, what stays behind there is part of what is tested
    behind[ProviderRegistry] = ProviderRegistry(
        [provider, LocalProvider(in_process)], limits=ImageLimits(max_pixels=100_000_000)
    )
    behind[ChildPool] = in_process
    behind[PasswordHasher] = QuickHasher()
    behind |= adapters or {}
    signs_in = {"admin_username": "admin", "admin_password": ADMIN_PASSWORD}
    chosen = {"sync_response": LONG_WINDOW, **signs_in, **settings}
    app = create_app(Settings(home=home, ingest_password=PASSWORD, **chosen), adapters=behind)
    async with app.lifespan() as opened, running(app, places := await _places(opened, limits)) as port:
        unbounded = httpx.Limits(max_connections=None)
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=NO_TLS, timeout=180, limits=unbounded)
        service = Service(
            opened, provider=provider, database=database, port=port, client=client, places=places, clock=clock
        )
        for slot_id in ("slot-001", "slot-002", "slot-003", "slot-004"):
            await service.change_slot(slot_id, entries=(RouteEntry("scripted", "any"),))
        async with client:
            try:
                yield service
            finally:
                if isinstance(provider.script, Gate):
                    provider.script.opened.set()  # a worker gives running jobs their grace before it stops


async def _places(opened: PhotoChanger, limits: ConnectionLimits | None) -> Places:
    """The places for connections as `photochanger serve` wires them."""
    container = opened.container
    return Places(
        limits or limits_for(file_limit()),
        known=await container.get(KnownAddresses),
        shared=TrustedProxies((*(await container.get(Settings)).trusted_proxies, *OWN_ADDRESSES)),
        telemetry=await container.get(Telemetry),
    )


@contextlib.asynccontextmanager
async def running(app: Any, places: Places | None = None) -> AsyncIterator[int]:
    """The port on which this app is served, by the server of production."""
    server = make_server(app, linger=timedelta(0), places=places)
    server.stop_grace = timedelta(seconds=10)
    listening = bound_socket("127.0.0.1", 0)
    listen(listening)  # connections wait from now on, not only once the server has started
    serves = asyncio.create_task(server.serve(sockets=[listening]))
    faults = Faults()
    logging.getLogger("uvicorn.error").addHandler(faults)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await serves
        logging.getLogger("uvicorn.error").removeHandler(faults)
    assert faults.seen == []


class Faults(logging.Handler):
    """What the server reports as faults of the app: a response that is not completed, an error behind its start."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Return once `look` says so, looking again after every turn of the loop; fails when it never does."""
    async with asyncio.timeout(180):
        while not await look():  # noqa: ASYNC110 - what is looked at signals no change
            await asyncio.sleep(0)


def part(name: str, content: bytes | str, *, filename: str | None = None) -> bytes:
    """One part of a form, its boundary before it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"\r\nContent-Type: image/jpeg'
    return head.encode() + b"\r\n\r\n" + (content.encode() if isinstance(content, str) else content) + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def form(photo: bytes | None = None, *, password: str = PASSWORD, **fields: str) -> bytes:
    """The camera's form: password, fields, photo."""
    data = photos.jpeg(160, 120) if photo is None else photo
    fields_part = b"".join(part(name, value) for name, value in fields.items())
    return part("password", password) + fields_part + part("fileToUpload", data, filename="IMG_0001.JPG") + END


def head(slot_id: str, length: int, *, headers: Mapping[str, str] | None = None) -> bytes:
    """The head of an ingest request, for bare connections."""
    lines = [f"POST /ingest/{slot_id} HTTP/1.1", "Host: booth", f"Content-Type: {FORM}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


__all__ = [
    "END",
    "FORM",
    "PASSWORD",
    "PICTURE",
    "Gate",
    "Service",
    "form",
    "head",
    "part",
    "running",
    "serving",
    "until",
]
