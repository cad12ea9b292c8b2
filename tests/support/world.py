"""The core's services wired over the memory adapters, with a clock that stands still and injected faults.

Pictures of this world are short texts such as `JPEG 6000x4000 ada`: its image tool reads nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from photochanger.adapters.memory import FakeClock, MemoryTelemetry, memory_adapters
from photochanger.adapters.security import AesSecretBox
from photochanger.core.domain.costs.call_cost import CallCost
from photochanger.core.domain.deadlines import LEASE
from photochanger.core.domain.job import Claim, Job, LogEntry, LogEvent
from photochanger.core.domain.media import ImageLimits, MediaKind, PictureNeeds
from photochanger.core.domain.routing.provider_check import ProviderFinding
from photochanger.core.domain.settings import AppSettings
from photochanger.core.domain.slots.slot import FailureAnswer, Route, RouteEntry, Slot
from photochanger.core.ports.accounts import FailureCounter, PasswordHasher
from photochanger.core.ports.clock import Clock
from photochanger.core.ports.cost_ledger import CostLedger
from photochanger.core.ports.image_tool import ImageTool
from photochanger.core.ports.job_queue import JobQueue, JobSignals
from photochanger.core.ports.job_service import JobService
from photochanger.core.ports.media_service import MediaService
from photochanger.core.ports.media_store import MediaStore
from photochanger.core.ports.provider import OperationInfo, ProviderInfo, ProviderRequest, ProviderResult
from photochanger.core.ports.provider_limits import ProviderLimits
from photochanger.core.ports.repositories.audit_log import AuditLog
from photochanger.core.ports.repositories.file_records import BegunFiles
from photochanger.core.ports.repositories.guest_data import GuestData
from photochanger.core.ports.repositories.ingest_requests import IngestRequestRepository
from photochanger.core.ports.repositories.job_log import JobLog
from photochanger.core.ports.repositories.job_repository import JobRepository
from photochanger.core.ports.repositories.media_repository import MediaRepository
from photochanger.core.ports.repositories.result_index import ResultIndex
from photochanger.core.ports.repositories.settings_repository import SettingsRepository, SettingsUpdate
from photochanger.core.ports.repositories.slot_repository import SlotRepository, TemplateRepository
from photochanger.core.ports.secrets import SecretBox, SecretRepository
from photochanger.core.ports.stats_service import StatsService
from photochanger.core.ports.telemetry import Telemetry
from photochanger.core.ports.webhooks import WebhookOutbox, WebhookRepository
from photochanger.core.ports.workers import WorkerRegistry
from photochanger.core.services.auth.ingest_password import AuthService
from photochanger.core.services.auth.login_throttle import LoginThrottle
from photochanger.core.services.jobs.acquisition import JobAcquisition
from photochanger.core.services.jobs.completion import JobCompletion
from photochanger.core.services.jobs.erasure import GuestErasure
from photochanger.core.services.jobs.processor import JobProcessor
from photochanger.core.services.maintenance.sweeper import Sweeper
from photochanger.core.services.media.disk_space import DiskSpace
from photochanger.core.services.media.recorded_store import RecordedMediaStore
from photochanger.core.services.media.result_pictures import ResultPictures
from photochanger.core.services.providers.api_keys import ProviderKeys
from photochanger.core.services.providers.registry import ProviderRegistry
from photochanger.core.services.routing.entry_state import Jitter
from photochanger.core.services.settings.service import SettingsService
from photochanger.core.services.slots.last_request import LastRequestLog
from photochanger.core.services.slots.ready_check import ReadyCheck
from photochanger.core.services.slots.service import SlotService
from photochanger.core.services.slots.templates import TemplateService
from photochanger.entrypoints.container import make_container

from tests.support.fault_injector import FaultInjector
from tests.support.text_images import TextImages
from tests.support.wiring import get_now, settings_with

T = TypeVar("T")

SECOND = timedelta(seconds=1)
SLOT = "slot-001"
FLOOR = 1024

_FAULTY_PORTS: tuple[type, ...] = (
    CostLedger,
    FailureCounter,
    GuestData,
    IngestRequestRepository,
    JobLog,
    JobQueue,
    JobRepository,
    MediaRepository,
    ProviderLimits,
    ResultIndex,
    SecretRepository,
    SettingsRepository,
    TemplateRepository,
    WebhookOutbox,
)

Script = bytes | BaseException | Callable[[ProviderRequest], Awaitable[bytes]]
"""What a scripted provider does on one call: answer, raise, or whatever the function does."""


def picture(name: str = "photo", *, type: str = "JPEG", width: int = 6000, height: int = 4000) -> bytes:
    """A picture of this world, long enough that its first 32 bytes are not all of it."""
    return f"{type} {width}x{height} {name}, as the camera at the booth took it".encode()


TORN = picture("torn")
"""A picture with a good header that cannot be decoded whole."""


async def chunks(data: bytes, *, size: int = 16) -> AsyncIterator[bytes]:
    """Bytes as they arrive from outside."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


class ScriptedProvider:
    """A Provider that does what its script says, call by call, and makes a good picture once the script is over.

    A call is expected to cost `price`; its answer names `cost`, `model` and `seed`.
    """

    def __init__(
        self,
        id: str,
        *script: Script,
        max_bytes: int = 10**7,
        price: CallCost | None = None,
        model: str | None = None,
        seed: int | None = None,
        **declared: Any,
    ) -> None:
        needs = PictureNeeds(("image/jpeg",), max_bytes, 10**9)
        operations = tuple(
            OperationInfo(
                id=name, title=name, settings_schema={}, needs=needs, prompts=("prompt",), template_roles=roles
            )
            for name, roles in (("enhance", ("face", "style")), ("frame", ("frame",)))
        )
        self.info = ProviderInfo(id=id, title=id, operations=operations, on_this_machine=id == "local", **declared)
        self.script = deque(script)
        self.calls: list[ProviderRequest] = []
        self.price = price
        self.cost: CallCost | None = None
        self.model = model
        self.seed = seed
        self.stopped = 0
        self.closed = 0

    def expected_cost(self, operation_id: str, settings: Mapping[str, Any]) -> CallCost | None:
        return self.price

    def check_settings(self, operation_id: str, settings: Mapping[str, Any]) -> None:
        """Every setting fits."""

    async def process(self, request: ProviderRequest) -> ProviderResult:
        self.calls.append(request)
        step = self.script.popleft() if self.script else self.made(request)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, bytes):
            return ProviderResult(step, {"model": "m-1"}, cost=self.cost, model=self.model, seed=self.seed)
        try:
            return ProviderResult(await step(request), cost=self.cost, model=self.model, seed=self.seed)
        except asyncio.CancelledError:
            self.stopped += 1
            raise

    async def diagnose(self, used: Collection[RouteEntry]) -> list[ProviderFinding]:
        return []

    async def close(self) -> None:
        self.closed += 1

    def made(self, request: ProviderRequest) -> bytes:
        """The picture that this provider makes of a request."""
        return picture(f"{self.info.id} made this of {len(request.photo.data)} bytes", width=1000, height=800)


async def never(request: ProviderRequest) -> bytes:
    """A call that is not answered."""
    return await asyncio.get_running_loop().create_future()


class CountingHasher:
    """A PasswordHasher that counts its calls; a hash tells its version and the password."""

    def __init__(self, version: int = 2) -> None:
        self.version = version
        self.hashed = 0
        self.verified = 0

    async def hash(self, password: str) -> str:
        self.hashed += 1
        await asyncio.sleep(0)
        return f"v{self.version}:{self.hashed}:{password}"

    async def verify(self, password: str, hash: str) -> bool:
        self.verified += 1
        await asyncio.sleep(0)
        return hash.split(":", 2)[2] == password

    def is_outdated(self, hash: str) -> bool:
        return not hash.startswith(f"v{self.version}:")


class World:
    """Everything that a photo meets on its way. `settings` are the defaults that apply; the jitter is the largest."""

    def __init__(
        self,
        *providers: ScriptedProvider,
        settings: AppSettings | None = None,
        signals: JobSignals | None = None,
        jitter: Callable[[], float] = lambda: 1.0,
        public_base_url: str | None = "https://booth.example",
    ) -> None:
        memory: dict[type, Any] = memory_adapters(FakeClock())
        self.local = next((p for p in providers if p.info.id == "local"), None) or ScriptedProvider("local")
        adapters = memory | {port: FaultInjector(memory[port]) for port in _FAULTY_PORTS}
        begun = FaultInjector(memory[BegunFiles])
        store = RecordedMediaStore(FaultInjector(memory[MediaStore].inner), begun, memory[Clock])
        adapters |= {
            MediaStore: store,
            BegunFiles: begun,
            JobSignals: signals or memory[JobSignals],
            ImageTool: TextImages(),
            PasswordHasher: CountingHasher(),
            SecretBox: FaultInjector(AesSecretBox(lambda: "the secret of this service, which is long enough")),
            ProviderRegistry: ProviderRegistry([self.local, *providers], limits=ImageLimits(max_pixels=100_000_000)),
            Jitter: jitter,
            Telemetry: MemoryTelemetry(),
        }
        wanted = settings_with(settings, public_base_url=public_base_url, min_free_bytes=FLOOR)
        self.container = make_container(wanted, adapters)
        self.clock = self._get(Clock)
        self.signals = self._get(JobSignals)
        self.slots = self._get(SlotRepository)
        self.stats = self._get(StatsService)
        self.ledger = self._get(CostLedger)
        self.audit = self._get(AuditLog)
        self.failures = self._get(FailureCounter)
        self.webhooks = self._get(WebhookRepository)
        self.outbox = self._get(WebhookOutbox)
        self.workers = self._get(WorkerRegistry)
        self.queue = self._get(JobQueue)
        self.records = self._get(JobRepository)
        self.job_log = self._get(JobLog)
        self.results = self._get(ResultIndex)
        self.guests = self._get(GuestData)
        self.settings_records = self._get(SettingsRepository)
        self.media_records = self._get(MediaRepository)
        self.template_records = self._get(TemplateRepository)
        self.ingest_requests = self._get(IngestRequestRepository)
        self.recorded_store = self._get(MediaStore)
        self.store = self.recorded_store.inner
        self.begun_files = self._get(BegunFiles)
        self.limits = self._get(ProviderLimits)
        self.telemetry = self._get(Telemetry)
        self.images = self._get(ImageTool)
        self.hasher = self._get(PasswordHasher)
        self.providers = self._get(ProviderRegistry)
        self.secrets = self._get(SecretRepository)
        self.box = self._get(SecretBox)
        self.keys = self._get(ProviderKeys)
        self.settings = self._get(SettingsService)
        self.throttle = self._get(LoginThrottle)
        self.auth = self._get(AuthService)
        self.space = self._get(DiskSpace)
        self.media = self._get(MediaService)
        self.pictures = self._get(ResultPictures)
        self.completion = self._get(JobCompletion)
        self.jobs = self._get(JobService)
        self.erasure = self._get(GuestErasure)
        self.processing = self._get(JobProcessor)
        self.acquisition = self._get(JobAcquisition)
        self.last_requests = self._get(LastRequestLog)
        self.sweeper = self._get(Sweeper)
        self.ready_check = self._get(ReadyCheck)
        self.slot_service = self._get(SlotService)
        self.templates = self._get(TemplateService)

    def _get(self, type: Any) -> Any:
        return get_now(self.container, type)

    async def slot(
        self,
        *entries: str,
        id: str = SLOT,
        failure_answer: FailureAnswer = FailureAnswer.ERROR,
        active: bool = True,
        max_upload_bytes: int | None = None,
        **route: Any,
    ) -> Slot:
        """A slot whose route has these entries, each `provider` or `provider/operation`; `local` where none is."""
        steps = [RouteEntry(*entry.split("/")) if "/" in entry else RouteEntry(entry, "enhance") for entry in entries]
        made = Slot(
            id=id,
            name="A slot",
            active=active,
            route=Route(
                entries=tuple(steps) or (RouteEntry("local", "enhance"),), failure_answer=failure_answer, **route
            ),
            max_upload_bytes=max_upload_bytes,
        )
        await self.slots.add_missing([made])
        return made

    async def submit(self, data: bytes | None = None, *, slot_id: str = SLOT, **options: Any) -> Job:
        """A job made of a photo."""
        return await self.jobs.submit(slot_id, chunks(picture() if data is None else data), **options)

    async def claim(self, worker: str = "worker-1") -> Claim:
        """The next job, taken by a worker."""
        (claim,) = await self.claims(worker)
        return claim

    async def claims(self, worker: str = "worker-1", *, n: int = 1) -> list[Claim]:
        """Up to `n` jobs, taken by a worker."""
        claims: list[Claim] = await self.queue.acquire(worker, n=n, lease=LEASE)
        return claims

    async def start_work(self) -> asyncio.Task[None]:
        """A worker that has begun with the next job and got as far as it can without time passing."""
        return await self.start(self.processing.run(await self.claim()))

    async def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """The work as a task that got as far as it can without time passing."""
        task = asyncio.ensure_future(work)
        await self.clock.advance(timedelta(0))
        return task

    async def run(self, work: Coroutine[Any, Any, T], *, within: timedelta = timedelta(0)) -> T:
        """What the work returns, which it must do within that much time of this world."""
        return await self.end(await self.start(work), within=within)

    async def end(self, task: asyncio.Task[T], *, within: timedelta = timedelta(0)) -> T:
        """What the task returns, which it must do within that much time of this world."""
        await self.clock.advance(within)
        if not task.done():
            task.cancel()
            raise AssertionError(f"not done within {within}: {task}")
        return task.result()

    async def work(self, *, within: timedelta = timedelta(minutes=2)) -> Job:
        """Take the next job and work on it to its end; the job as it is then, previews and log entries written."""
        claim = await self.claim()
        await self.run(self.processing.run(claim), within=within)
        await self.clock.advance(SECOND)  # previews wait until the worker is idle
        await self.run(self.processing.close())
        return await self.records.get(claim.job.id)

    async def files(self, kind: MediaKind | None = None) -> list[str]:
        """The keys of all files in the media store, or of one kind."""
        files = self.store.inner.files
        return sorted(str(key) for key in files if kind in (None, key.kind))

    async def content(self, key: Any) -> bytes:
        """The bytes of a stored file."""
        return b"".join([chunk async for chunk in self.store.inner.open(key)])

    async def log(self, job: Job, event: LogEvent) -> list[dict[str, Any]]:
        """What the processing log says of such events of the job."""
        entries: list[LogEntry] = await self.job_log.entries(job.id)
        return [entry.detail for entry in entries if entry.event is event]

    async def set_settings(self, **fields: Any) -> None:
        """What an administrator stores over the defaults."""
        stored = await self.settings_records.get()
        changed = msgspec.structs.replace(stored, **fields)
        await self.settings_records.save(SettingsUpdate(settings=changed), expected_version=stored.version)
