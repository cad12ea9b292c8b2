"""Every port that keeps something, in the memory of one process: for unit tests and for tests of embedding code.

All of it belongs to one event loop, and all of it is gone with the process.
"""

from __future__ import annotations

from ...core.ports.clock import Clock
from ...core.ports.ingest_requests import IngestRequestRepository
from ...core.ports.limits import ProviderLimits
from ...core.ports.media import MediaStore
from ...core.ports.queue import JobQueue, JobSignals
from ...core.ports.repositories import (
    AuditLog,
    JobRepository,
    MediaRepository,
    SettingsRepository,
    SlotRepository,
    TemplateRepository,
)
from ...core.ports.secrets import SecretRepository, SigningKeyRepository
from ...core.ports.security import AdminRepository, FailureCounter
from ...core.ports.stats import StatsService
from ...core.ports.webhooks import WebhookOutbox, WebhookRepository
from ...core.ports.workers import WorkerRegistry
from ..system_clock import SystemClock
from .admins import MemoryAdminRepository
from .audit import MemoryAuditLog
from .clock import FakeClock
from .database import MemoryDatabase
from .failures import MemoryFailureCounter
from .ingest_requests import MemoryIngestRequestRepository
from .jobs import MemoryJobRepository
from .limits import MemoryProviderLimits
from .media import MemoryMediaRepository, MemoryMediaStore
from .queue import MemoryJobQueue
from .secrets import MemorySecretRepository
from .settings import MemorySettingsRepository
from .signals import MemoryJobSignals
from .signing_keys import MemorySigningKeyRepository
from .slots import MemorySlotRepository, MemoryTemplateRepository
from .stats import MemoryStatsService
from .telemetry import MemoryTelemetry
from .webhooks import MemoryWebhookOutbox, MemoryWebhookRepository
from .workers import MemoryWorkerRegistry

__all__ = [
    "FakeClock",
    "MemoryAdminRepository",
    "MemoryAuditLog",
    "MemoryDatabase",
    "MemoryFailureCounter",
    "MemoryIngestRequestRepository",
    "MemoryJobQueue",
    "MemoryJobRepository",
    "MemoryJobSignals",
    "MemoryMediaRepository",
    "MemoryMediaStore",
    "MemoryProviderLimits",
    "MemorySecretRepository",
    "MemorySettingsRepository",
    "MemorySigningKeyRepository",
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
    slots = MemorySlotRepository(clock, audit)
    return {
        Clock: clock,
        JobQueue: MemoryJobQueue(database),
        JobSignals: MemoryJobSignals(database),
        JobRepository: MemoryJobRepository(database),
        SlotRepository: slots,
        SettingsRepository: MemorySettingsRepository(audit),
        SecretRepository: MemorySecretRepository(audit),
        MediaRepository: MemoryMediaRepository(),
        MediaStore: MemoryMediaStore(clock),
        StatsService: MemoryStatsService(database),
        ProviderLimits: MemoryProviderLimits(database),
        AuditLog: audit,
        AdminRepository: MemoryAdminRepository(audit),
        FailureCounter: MemoryFailureCounter(),
        SigningKeyRepository: MemorySigningKeyRepository(audit),
        TemplateRepository: MemoryTemplateRepository(slots, database),
        WebhookRepository: MemoryWebhookRepository(database, slots, audit),
        WebhookOutbox: MemoryWebhookOutbox(database),
        WorkerRegistry: MemoryWorkerRegistry(clock),
        IngestRequestRepository: MemoryIngestRequestRepository(),
    }
