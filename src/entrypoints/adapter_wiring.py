"""The wiring of the adapters: PostgreSQL, and what is the same wherever the database is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from dishka import Provider, Scope, alias, provide

from ..adapters.imaging import ChildPool, ImageTools
from ..adapters.postgres import (
    Database,
    EmbeddedServer,
    PostgresAdminRepository,
    PostgresAuditLog,
    PostgresBegunFiles,
    PostgresCostLedger,
    PostgresDatabaseStatus,
    PostgresFailureCounter,
    PostgresGuestData,
    PostgresIngestKeyRepository,
    PostgresIngestRequestRepository,
    PostgresJobLog,
    PostgresJobQueue,
    PostgresJobRepository,
    PostgresJobSignals,
    PostgresMediaRepository,
    PostgresOwnedFiles,
    PostgresProviderCheckRepository,
    PostgresProviderLimits,
    PostgresResultIndex,
    PostgresRevokedTokens,
    PostgresSecretKeyRecord,
    PostgresSecretRepository,
    PostgresSettingsRepository,
    PostgresSigningKeyRepository,
    PostgresSlotRecords,
    PostgresSlotRepository,
    PostgresStatsService,
    PostgresTemplateRepository,
    PostgresWebhookOutbox,
    PostgresWebhookRepository,
    PostgresWorkerRegistry,
)
from ..adapters.security import AesSecretBox, Argon2PasswordHasher, JwtTokens, kept_secret
from ..adapters.telemetry import OpenTelemetry
from ..adapters.webhooks import HttpWebhookSender
from ..core.domain.media import ImageLimits
from ..core.ports.accounts import AdminRepository, FailureCounter, PasswordHasher, RevokedTokens, TokenIssuer
from ..core.ports.cost_ledger import CostLedger
from ..core.ports.database import DatabaseStatus
from ..core.ports.image_tool import ImageTool
from ..core.ports.job_queue import JobQueue, JobSignals
from ..core.ports.provider_limits import ProviderLimits
from ..core.ports.repositories.audit_log import AuditLog
from ..core.ports.repositories.file_records import BegunFiles, OwnedFiles
from ..core.ports.repositories.guest_data import GuestData
from ..core.ports.repositories.ingest_keys import IngestKeyRepository
from ..core.ports.repositories.ingest_requests import IngestRequestRepository
from ..core.ports.repositories.job_log import JobLog
from ..core.ports.repositories.job_repository import JobRepository
from ..core.ports.repositories.media_repository import MediaRepository
from ..core.ports.repositories.provider_checks import ProviderCheckRepository
from ..core.ports.repositories.result_index import ResultIndex
from ..core.ports.repositories.settings_repository import SettingsRepository
from ..core.ports.repositories.slot_records import SlotRecordReader
from ..core.ports.repositories.slot_repository import SlotRepository, TemplateRepository
from ..core.ports.secrets import SecretBox, SecretKeyRecord, SecretRepository, SigningKeyRepository
from ..core.ports.stats_service import StatsService
from ..core.ports.telemetry import Telemetry
from ..core.ports.webhooks import WebhookOutbox, WebhookRepository, WebhookSender
from ..core.ports.workers import WorkerRegistry
from ..core.services.providers.api_keys import ProviderKeys
from ..core.services.providers.registry import ProviderRegistry
from ..core.services.support.concurrency import Supervisor
from ..core.services.support.repeated_calls import RepeatedCalls
from .builtin_providers import Providers, make_providers, picture_processes
from .config import Settings
from .data_folder import close_home

DATABASE = "photochanger"
"""The name of the database in the embedded server."""


def _repeated(make: Callable[[Database], object], port: type) -> Any:
    """The adapter of a port whose calls are repeated where a person waits (`repeated_calls`)."""

    def adapter(database: Database) -> object:
        return RepeatedCalls(make(database))

    return provide(staticmethod(adapter), provides=port)


class PostgresAdapters(Provider):
    """Queue, wake-ups, repositories and statistics in PostgreSQL: an external server, else the embedded one."""

    scope = Scope.APP

    @provide
    async def database(self, settings: Settings, supervisor: Supervisor) -> AsyncIterator[Database]:
        if settings.database_url is not None:
            async with (
                Database(settings.database_url, listen_url=settings.listen_database_url) as database,
                supervisor.supervised(database.watch(), name="database servers watch"),
            ):
                yield database
            return
        close_home(settings.home)
        given_up = threading.Event()
        try:
            server = await asyncio.to_thread(EmbeddedServer.start, settings.home / "postgres", given_up=given_up)
        finally:
            given_up.set()  # where this is cancelled, the thread goes on until it sees that
        supervisor.at_forced_end(server.close)
        try:
            async with supervisor.supervised(server.keep_running(), name="embedded PostgreSQL watch"):
                await asyncio.to_thread(server.ensure_database, DATABASE)
                async with Database(server.url(DATABASE)) as database:
                    yield database
        finally:
            await asyncio.to_thread(server.close)

    @provide
    async def signals(self, database: Database, supervisor: Supervisor) -> AsyncIterator[JobSignals]:
        signals = PostgresJobSignals(database)
        async with supervisor.supervised(signals.listen(), name="LISTEN connection"):
            yield signals

    database_status = _repeated(PostgresDatabaseStatus, DatabaseStatus)
    queue = _repeated(PostgresJobQueue, JobQueue)
    limits = _repeated(PostgresProviderLimits, ProviderLimits)
    provider_check_records = _repeated(PostgresProviderCheckRepository, ProviderCheckRepository)
    slot_records = _repeated(PostgresSlotRecords, SlotRecordReader)
    slots = _repeated(PostgresSlotRepository, SlotRepository)
    stored_settings = _repeated(PostgresSettingsRepository, SettingsRepository)
    jobs = _repeated(PostgresJobRepository, JobRepository)
    log = _repeated(PostgresJobLog, JobLog)
    results = _repeated(PostgresResultIndex, ResultIndex)
    guests = _repeated(PostgresGuestData, GuestData)
    media = _repeated(PostgresMediaRepository, MediaRepository)
    begun_files = provide(PostgresBegunFiles, provides=BegunFiles)
    owned_files = _repeated(PostgresOwnedFiles, OwnedFiles)
    secrets = _repeated(PostgresSecretRepository, SecretRepository)
    stats = _repeated(PostgresStatsService, StatsService)
    ledger = _repeated(PostgresCostLedger, CostLedger)
    admin_records = _repeated(PostgresAdminRepository, AdminRepository)
    audit = _repeated(PostgresAuditLog, AuditLog)
    failures = _repeated(PostgresFailureCounter, FailureCounter)
    ingest_key_records = _repeated(PostgresIngestKeyRepository, IngestKeyRepository)
    revoked_tokens = _repeated(PostgresRevokedTokens, RevokedTokens)
    secret_key_record = _repeated(PostgresSecretKeyRecord, SecretKeyRecord)
    signing_key_records = _repeated(PostgresSigningKeyRepository, SigningKeyRepository)
    templates = _repeated(PostgresTemplateRepository, TemplateRepository)
    webhooks = _repeated(PostgresWebhookRepository, WebhookRepository)
    outbox = _repeated(PostgresWebhookOutbox, WebhookOutbox)
    workers = _repeated(PostgresWorkerRegistry, WorkerRegistry)
    ingest_requests = _repeated(PostgresIngestRequestRepository, IngestRequestRepository)


class LocalAdapters(Provider):
    """What is the same wherever the database is: files, pictures, passwords, secrets, providers."""

    scope = Scope.APP

    supervisor = provide(Supervisor)

    @provide
    async def open_telemetry(self, settings: Settings) -> AsyncIterator[OpenTelemetry]:
        telemetry = OpenTelemetry(otlp_endpoint=settings.otlp_endpoint)
        yield telemetry
        await asyncio.to_thread(telemetry.close)

    telemetry = alias(source=OpenTelemetry, provides=Telemetry)

    @provide
    async def children(self) -> AsyncIterator[ChildPool]:
        async with picture_processes() as children:
            yield children

    @provide
    def images(self, children: ChildPool) -> ImageTool:
        return ImageTools(children)

    @provide
    async def hasher(self) -> AsyncIterator[PasswordHasher]:
        hasher = Argon2PasswordHasher()
        yield hasher
        await hasher.close()

    tokens = provide(JwtTokens, provides=TokenIssuer)

    @provide
    def secret_box(self, settings: Settings) -> SecretBox:
        secret = settings.secret_key
        return AesSecretBox(kept_secret(settings.secret_key_file) if secret is None else lambda: secret)

    @provide
    async def webhook_sender(self, settings: Settings) -> AsyncIterator[WebhookSender]:
        sender = HttpWebhookSender(settings.private_hosts)
        yield sender
        await sender.close()

    @provide
    async def providers(self, settings: Settings, keys: ProviderKeys, children: ChildPool) -> Providers:
        return await make_providers(settings, keys, children)

    @provide
    async def catalogue(self, settings: Settings, made: Providers) -> AsyncIterator[ProviderRegistry]:
        catalogue = ProviderRegistry(made.providers, limits=ImageLimits(max_pixels=settings.max_image_pixels))
        yield catalogue
        await catalogue.close()
