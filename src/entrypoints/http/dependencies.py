"""What the handlers call, gathered once when the app is made, so that no request pays for finding it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from dishka import AsyncContainer

from ...adapters.postgres import Database
from ...core.ports.audit_log import AuditLog
from ...core.ports.clock import Clock
from ...core.ports.image_tool import ImageTool
from ...core.ports.job_log import JobLog
from ...core.ports.job_queue import JobQueue
from ...core.ports.job_repository import JobRepository
from ...core.ports.job_service import JobService
from ...core.ports.media_service import MediaService
from ...core.ports.media_store import MediaStore
from ...core.ports.provider_limits import ProviderLimits
from ...core.ports.result_index import ResultIndex
from ...core.ports.telemetry import Telemetry
from ...core.services.auth.admins import AdminService
from ...core.services.auth.ingest_password import AuthService
from ...core.services.jobs.event_stream import EventStream
from ...core.services.maintenance.purge import PurgeService
from ...core.services.providers.api_keys import ProviderKeys
from ...core.services.providers.registry import ProviderRegistry
from ...core.services.settings.service import SettingsService
from ...core.services.slots.last_request import LastRequestLog
from ...core.services.slots.overview import Overview
from ...core.services.slots.service import SlotService
from ...core.services.slots.templates import TemplateService
from ...core.services.stats.service import StatsQueries
from ...core.services.webhooks.service import WebhookService
from ..config import Settings
from ..diagnostics.finding import Finding
from ..diagnostics.readiness import Readiness
from ..diagnostics.ready_check_report import ReadyCheckStream
from ..diagnostics.report import findings
from ..diagnostics.status import Status, collect_status
from ..metrics.collector import MetricsCollector


@dataclass(frozen=True, kw_only=True)
class HttpServices:
    """The ports behind the HTTP shell, how public links begin (None: as the request came in), and from where pages may
    use it."""

    jobs: JobService
    queue: JobQueue
    job_records: JobRepository
    job_log: JobLog
    results: ResultIndex
    media: MediaService
    auth: AuthService
    admins: AdminService
    slots: SlotService
    templates: TemplateService
    settings: SettingsService
    provider_keys: ProviderKeys
    catalogue: ProviderRegistry
    limits: ProviderLimits
    webhooks: WebhookService
    events: EventStream
    audit: AuditLog
    purges: PurgeService
    statistics: StatsQueries
    overview: Overview
    last_requests: LastRequestLog
    ready_check: ReadyCheckStream
    store: MediaStore
    images: ImageTool
    clock: Clock
    readiness: Readiness
    status: Callable[[], Awaitable[Status]]
    findings: Callable[[], Awaitable[list[Finding]]]
    telemetry: Telemetry
    metrics: MetricsCollector
    public_base_url: str | None
    cors_origins: tuple[str, ...]
    provider_base_urls: dict[str, str]

    @classmethod
    async def from_container(
        cls, container: AsyncContainer, *, readiness: Readiness, database: Database | None = None
    ) -> HttpServices:
        """Everything from the wiring of this process. `database`: the PostgreSQL behind it, where there is one."""
        settings = await container.get(Settings)
        return cls(
            jobs=await container.get(JobService),
            queue=await container.get(JobQueue),
            job_records=await container.get(JobRepository),
            job_log=await container.get(JobLog),
            results=await container.get(ResultIndex),
            media=await container.get(MediaService),
            auth=await container.get(AuthService),
            admins=await container.get(AdminService),
            slots=await container.get(SlotService),
            templates=await container.get(TemplateService),
            settings=await container.get(SettingsService),
            provider_keys=await container.get(ProviderKeys),
            catalogue=await container.get(ProviderRegistry),
            limits=await container.get(ProviderLimits),
            webhooks=await container.get(WebhookService),
            events=await container.get(EventStream),
            audit=await container.get(AuditLog),
            purges=await container.get(PurgeService),
            statistics=await container.get(StatsQueries),
            overview=await container.get(Overview),
            ready_check=await container.get(ReadyCheckStream),
            last_requests=await container.get(LastRequestLog),
            store=await container.get(MediaStore),
            images=await container.get(ImageTool),
            clock=await container.get(Clock),
            readiness=readiness,
            status=partial(collect_status, container),
            findings=partial(findings, container, database=database),
            telemetry=await container.get(Telemetry),
            metrics=await container.get(MetricsCollector),
            public_base_url=settings.public_base_url,
            cors_origins=settings.cors_origins,
            provider_base_urls=settings.provider_base_urls,
        )
