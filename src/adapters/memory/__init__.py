"""Every port that keeps something, in the memory of one process: for unit tests and for tests of embedding code.

All of it belongs to one event loop, and all of it is gone with the process.
"""

from __future__ import annotations

from ...core.ports.accounts import AdminRepository, FailureCounter, RevokedTokens
from ...core.ports.clock import Clock
from ...core.ports.cost_ledger import CostLedger
from ...core.ports.database import DatabaseStatus
from ...core.ports.job_queue import JobQueue, JobSignals
from ...core.ports.media_store import MediaStore
from ...core.ports.provider_limits import ProviderLimits
from ...core.ports.repositories.audit_log import AuditLog
from ...core.ports.repositories.file_records import BegunFiles, OwnedFiles
from ...core.ports.repositories.guest_data import GuestData
from ...core.ports.repositories.ingest_keys import IngestKeyRepository
from ...core.ports.repositories.ingest_requests import IngestRequestRepository
from ...core.ports.repositories.job_log import JobLog
from ...core.ports.repositories.job_repository import JobRepository
from ...core.ports.repositories.media_repository import MediaRepository
from ...core.ports.repositories.provider_checks import ProviderCheckRepository
from ...core.ports.repositories.result_index import ResultIndex
from ...core.ports.repositories.settings_repository import SettingsRepository
from ...core.ports.repositories.slot_records import SlotRecordReader
from ...core.ports.repositories.slot_repository import SlotRepository, TemplateRepository
from ...core.ports.secrets import SecretKeyRecord, SecretRepository, SigningKeyRepository
from ...core.ports.stats_service import StatsService
from ...core.ports.webhooks import WebhookOutbox, WebhookRepository
from ...core.ports.workers import WorkerRegistry
from ...core.services.media.recorded_store import RecordedMediaStore
from ..system_clock import SystemClock
from .accounts.admins import MemoryAdminRepository
from .accounts.ingest_keys import MemoryIngestKeyRepository
from .accounts.login_failures import MemoryFailureCounter
from .accounts.revoked_tokens import MemoryRevokedTokens
from .accounts.signing_keys import MemorySigningKeyRepository
from .audit import MemoryAuditLog
from .begun_files import MemoryBegunFiles
from .clock import FakeClock
from .database import MemoryDatabase
from .ingest_requests import MemoryIngestRequestRepository
from .jobs.guest_data import MemoryGuestData
from .jobs.ledger import MemoryCostLedger
from .jobs.log import MemoryJobLog
from .jobs.queue import MemoryJobQueue
from .jobs.repository import MemoryJobRepository
from .jobs.results import MemoryResultIndex
from .jobs.slot_records import MemorySlotRecords
from .media import MemoryMediaRepository, MemoryMediaStore
from .notifier import MemoryJobSignals
from .owned_files import MemoryOwnedFiles
from .provider_limits import MemoryProviderCheckRepository, MemoryProviderLimits
from .secret_key import MemorySecretKeyRecord
from .secrets import MemorySecretRepository
from .settings import MemorySettingsRepository
from .slots import MemorySlotRepository, MemoryTemplateRepository
from .stats import MemoryStatsService
from .telemetry import MemoryTelemetry
from .webhooks import MemoryWebhookOutbox, MemoryWebhookRepository
from .workers import MemoryWorkerRegistry

__all__ = [
    "FakeClock",
    "MemoryAdminRepository",
    "MemoryAuditLog",
    "MemoryBegunFiles",
    "MemoryCostLedger",
    "MemoryDatabase",
    "MemoryFailureCounter",
    "MemoryGuestData",
    "MemoryIngestKeyRepository",
    "MemoryIngestRequestRepository",
    "MemoryJobLog",
    "MemoryJobQueue",
    "MemoryJobRepository",
    "MemoryJobSignals",
    "MemoryMediaRepository",
    "MemoryMediaStore",
    "MemoryOwnedFiles",
    "MemoryProviderCheckRepository",
    "MemoryProviderLimits",
    "MemoryResultIndex",
    "MemoryRevokedTokens",
    "MemorySecretKeyRecord",
    "MemorySecretRepository",
    "MemorySettingsRepository",
    "MemorySigningKeyRepository",
    "MemorySlotRecords",
    "MemorySlotRepository",
    "MemoryStatsService",
    "MemoryTelemetry",
    "MemoryTemplateRepository",
    "MemoryWebhookOutbox",
    "MemoryWebhookRepository",
    "MemoryWorkerRegistry",
    "memory_adapters",
]


def memory_adapters(clock: Clock | None = None, database: MemoryDatabase | None = None) -> dict[type, object]:
    """Fresh adapters by port type, all on one clock (the system's by default), ready to be put into the wiring.

    `database` is the state behind those that share one, where the caller wants to look at it.
    """
    clock = clock or SystemClock()
    database = database or MemoryDatabase(clock)
    audit = MemoryAuditLog()
    secrets = MemorySecretRepository(audit)
    slots = MemorySlotRepository(clock, audit)
    media = MemoryMediaRepository()
    begun = MemoryBegunFiles()
    workers = MemoryWorkerRegistry(clock)
    return {
        Clock: clock,
        DatabaseStatus: database,
        JobQueue: MemoryJobQueue(database, audit, workers),
        JobSignals: MemoryJobSignals(database),
        JobRepository: MemoryJobRepository(database),
        JobLog: MemoryJobLog(database),
        ResultIndex: MemoryResultIndex(database, audit),
        SlotRecordReader: MemorySlotRecords(database),
        SlotRepository: slots,
        SettingsRepository: MemorySettingsRepository(audit, secrets),
        SecretRepository: secrets,
        MediaRepository: media,
        MediaStore: RecordedMediaStore(MemoryMediaStore(), begun, clock),
        BegunFiles: begun,
        OwnedFiles: MemoryOwnedFiles(database, media, slots),
        StatsService: MemoryStatsService(database),
        CostLedger: MemoryCostLedger(database),
        ProviderLimits: MemoryProviderLimits(database),
        ProviderCheckRepository: MemoryProviderCheckRepository(),
        AuditLog: audit,
        AdminRepository: MemoryAdminRepository(audit),
        FailureCounter: MemoryFailureCounter(),
        RevokedTokens: MemoryRevokedTokens(clock, audit),
        SecretKeyRecord: MemorySecretKeyRecord(audit),
        SigningKeyRepository: MemorySigningKeyRepository(audit),
        TemplateRepository: MemoryTemplateRepository(slots, database, begun),
        WebhookRepository: MemoryWebhookRepository(database, slots, audit),
        WebhookOutbox: MemoryWebhookOutbox(database),
        WorkerRegistry: workers,
        IngestKeyRepository: MemoryIngestKeyRepository(audit),
        IngestRequestRepository: MemoryIngestRequestRepository(database),
        GuestData: MemoryGuestData(database, media, audit),
    }
