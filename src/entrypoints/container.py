"""The whole wiring: which implementation stands behind each port. The only place where one is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any

from dishka import AsyncContainer, Provider, Scope, make_async_container, provide

from ..core.ports.clock import Clock
from ..core.ports.job_service import JobService
from ..core.ports.media_service import MediaService
from ..core.ports.media_store import MediaStore
from ..core.ports.repositories.audit_log import AuditLog
from ..core.ports.repositories.ingest_keys import IngestKeyRepository
from ..core.ports.repositories.ingest_requests import IngestRequestRepository
from ..core.ports.repositories.slot_repository import SlotRepository
from ..core.ports.workers import WorkerRegistry
from ..core.services.auth.admins import AdminService
from ..core.services.auth.attempts import Attempts
from ..core.services.auth.failure_log import FailureLog
from ..core.services.auth.ingest_keys import IngestKeys
from ..core.services.auth.ingest_password import AuthService
from ..core.services.auth.known_addresses import KnownAddresses
from ..core.services.auth.login_throttle import LoginThrottle
from ..core.services.auth.shared_secret_key import SharedSecretKey
from ..core.services.auth.signed_out import SignedOut
from ..core.services.auth.signing_keys import SigningKeys
from ..core.services.costs.budgets import Budgets
from ..core.services.costs.call_costs import CallCosts
from ..core.services.costs.day_costs import DayCosts
from ..core.services.costs.job_costs import JobCosts
from ..core.services.jobs.acquisition import JobAcquisition
from ..core.services.jobs.admission import JobAdmission
from ..core.services.jobs.completion import JobCompletion
from ..core.services.jobs.end_watch import JobEndWatch
from ..core.services.jobs.erasure import GuestErasure
from ..core.services.jobs.event_stream import EventStream
from ..core.services.jobs.failure_answer import FailurePictures
from ..core.services.jobs.guest_files import GuestFiles
from ..core.services.jobs.held_photos import HeldPhotos
from ..core.services.jobs.intake import PhotoIntake
from ..core.services.jobs.late_calls import LateCalls
from ..core.services.jobs.late_rescue import LateRescue
from ..core.services.jobs.previews import Previews
from ..core.services.jobs.processor import JobProcessor
from ..core.services.jobs.resends import LiveRequests
from ..core.services.jobs.service import DefaultJobService
from ..core.services.maintenance.purge import PurgeService
from ..core.services.maintenance.sweeper import Sweeper
from ..core.services.media.archive import ResultArchives
from ..core.services.media.disk_space import DiskSpace
from ..core.services.media.recorded_store import RecordedMediaStore
from ..core.services.media.result_pictures import ResultPictures
from ..core.services.media.service import DefaultMediaService
from ..core.services.media.upload import UploadReceiver
from ..core.services.media.upload_budget import UploadBudget
from ..core.services.media.visibility import ResultVisibility
from ..core.services.providers.api_keys import ProviderKeys
from ..core.services.providers.checks import ProviderChecks
from ..core.services.routing.engine import RouteEngine
from ..core.services.routing.inputs import JobInputsFactory
from ..core.services.routing.recorder import AttemptRecorder
from ..core.services.routing.shared_limits import SharedLimits
from ..core.services.settings.service import SettingsService
from ..core.services.slots.last_request import LastRequestLog
from ..core.services.slots.overview import Overview
from ..core.services.slots.ready_check import ReadyCheck
from ..core.services.slots.recent_jobs import RecentJobReader
from ..core.services.slots.service import SlotService
from ..core.services.slots.styles import SlotStyles
from ..core.services.slots.templates import TemplateService
from ..core.services.stats.retention import Retention
from ..core.services.stats.service import StatsQueries
from ..core.services.stats.today import TodayBySlot
from ..core.services.support.passwords import Passwords
from ..core.services.webhooks.delivery import WebhookDelivery
from ..core.services.webhooks.service import WebhookService
from .adapter_wiring import LocalAdapters, PostgresAdapters
from .config import Settings
from .diagnostics.provider_listing import ProviderListing
from .diagnostics.readiness import Readiness
from .diagnostics.ready_check_report import ReadyCheckStream
from .http.shutdown import Shutdown
from .maintenance import Maintenance
from .media_wiring import MediaAdapters, PlainStore
from .metrics.collector import MetricsCollector
from .metrics.database_gauges import DatabaseGauges
from .options import Options
from .process.clock import ProcessClock
from .worker.heartbeat import Heartbeat
from .worker.pool import WorkerPool
from .worker.worker import Worker


class CoreServices(Provider):
    """The services of the core over the ports."""

    scope = Scope.APP

    settings = provide(SettingsService)
    provider_keys = provide(ProviderKeys)
    provider_checks = provide(ProviderChecks)
    space = provide(DiskSpace)
    upload_budget = provide(UploadBudget)
    passwords = provide(Passwords)
    throttle = provide(LoginThrottle)
    known_addresses = provide(KnownAddresses)
    attempts = provide(Attempts)

    @provide
    async def failure_log(self, audit: AuditLog, clock: Clock) -> AsyncIterator[FailureLog]:
        failure_log = FailureLog(audit, clock)
        yield failure_log
        await failure_log.close()

    shared_secret_key = provide(SharedSecretKey)
    signing_keys = provide(SigningKeys)
    signed_out = provide(SignedOut)
    admins = provide(AdminService)

    slot_styles = provide(SlotStyles)

    @provide
    async def ingest_keys(self, records: IngestKeyRepository, clock: Clock) -> AsyncIterator[IngestKeys]:
        ingest_keys = IngestKeys(records, clock)
        yield ingest_keys
        await ingest_keys.close()

    @provide
    async def auth(
        self,
        settings: SettingsService,
        slots: SlotRepository,
        passwords: Passwords,
        attempts: Attempts,
        keys: IngestKeys,
    ) -> AsyncIterator[AuthService]:
        auth = AuthService(settings, slots, passwords, attempts, keys)
        yield auth
        await auth.close()

    fallback = provide(FailurePictures)
    receiving = provide(UploadReceiver)
    admission = provide(JobAdmission)
    intake = provide(PhotoIntake)
    result_pictures = provide(ResultPictures)
    completion = provide(JobCompletion)
    jobs = provide(DefaultJobService)
    media_service = provide(DefaultMediaService, provides=MediaService)

    @provide
    async def job_service(self, service: DefaultJobService) -> AsyncIterator[JobService]:
        yield service
        await service.close()

    held_photos = provide(HeldPhotos)
    late_calls = provide(LateCalls)
    live_requests = provide(LiveRequests)
    rescue = provide(LateRescue)
    result_archives = provide(ResultArchives)
    result_visibility = provide(ResultVisibility)
    guest_files = provide(GuestFiles)
    erasure = provide(GuestErasure)
    slot_service = provide(SlotService)
    template_service = provide(TemplateService)
    webhook_service = provide(WebhookService)
    worker = provide(Worker)

    @provide
    def heartbeat(self, registry: WorkerRegistry, clock: Clock) -> Heartbeat:
        return Heartbeat(registry, clock=clock)

    ready_check = provide(ReadyCheck)
    ready_report = provide(ReadyCheckStream)
    statistics = provide(StatsQueries)
    today = provide(TodayBySlot)
    recent_jobs = provide(RecentJobReader)
    overview = provide(Overview)
    events = provide(EventStream)
    database_gauges = provide(DatabaseGauges)
    metrics = provide(MetricsCollector)
    readiness = provide(Readiness)
    job_costs = provide(JobCosts)
    shutdown = provide(Shutdown)
    provider_listing = provide(ProviderListing)

    @provide
    async def last_requests(
        self, requests: IngestRequestRepository, slots: SlotRepository, settings: SettingsService, clock: Clock
    ) -> AsyncIterator[LastRequestLog]:
        last_requests = LastRequestLog(requests, slots, settings, clock)
        yield last_requests
        await last_requests.close()

    @provide
    async def purges(self, sweeper: Sweeper, audit: AuditLog, clock: Clock) -> AsyncIterator[PurgeService]:
        purges = PurgeService(sweeper, audit, clock)
        yield purges
        await purges.close()

    history = provide(Retention)
    inputs = provide(JobInputsFactory)
    shared_limits = provide(SharedLimits)
    day_costs = provide(DayCosts)
    budgets = provide(Budgets)
    call_costs = provide(CallCosts)
    recorder = provide(AttemptRecorder)
    route_engine = provide(RouteEngine)
    job_end_watch = provide(JobEndWatch)
    previews = provide(Previews)
    processor = provide(JobProcessor)
    acquisition = provide(JobAcquisition)

    deliveries = provide(WebhookDelivery)
    pool = provide(WorkerPool)


def make_container(settings: Settings, adapters: Mapping[Any, object] | None = None) -> AsyncContainer:
    """The wiring for these settings. `adapters` maps a port type to the object that stands behind it instead.

    Files of a media store that is given are recorded like those of any other.
    """
    given = dict(adapters or {})
    if not isinstance(given.get(MediaStore), RecordedMediaStore | None):
        given[PlainStore] = given.pop(MediaStore)
    return _wiring(frozenset(given))({**given, Settings: settings}, asyncio.Lock, Scope.APP)


@lru_cache(maxsize=16)
def _wiring(replaced: frozenset[Any]) -> AsyncContainer:
    """The compiled wiring in which these ports are given. It holds no objects: those belong to a container below it."""
    given = Provider(scope=Scope.APP)
    for port in (Settings, *replaced):
        given.from_context(provides=port)
    adapters = PostgresAdapters(), LocalAdapters(), MediaAdapters()
    services = ProcessClock(), Options(), CoreServices(), Maintenance()
    return make_async_container(*adapters, *services, given, start_scope=Scope.RUNTIME, lock_factory=None)
