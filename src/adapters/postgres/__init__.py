"""PostgreSQL: the queue and everything that is kept, in an external server or the embedded one."""

from .admins import PostgresAdminRepository
from .audit import PostgresAuditLog
from .database import Database
from .embedded.server import EmbeddedServer, EmbeddedServerError
from .ingest_requests import PostgresIngestRequestRepository
from .jobs import PostgresJobRepository
from .limits import PostgresProviderLimits
from .login_failures import PostgresFailureCounter
from .media import PostgresMediaRepository
from .migrate import PostgresDatabaseStatus, migrate, require_current_schema
from .notifier import PostgresJobSignals
from .queue import PostgresJobQueue
from .secrets import PostgresSecretRepository
from .settings import PostgresSettingsRepository
from .signing_keys import PostgresSigningKeyRepository
from .slots import PostgresSlotRepository
from .stats import PostgresStatsService
from .templates import PostgresTemplateRepository
from .transfer import (
    DatabaseImport,
    Snapshot,
    TableShape,
    TargetNotEmpty,
    TransferFailed,
    filling,
    require_empty,
    require_known,
    snapshot,
)
from .webhooks import PostgresWebhookOutbox, PostgresWebhookRepository
from .workers import PostgresWorkerRegistry

__all__ = [
    "Database",
    "DatabaseImport",
    "EmbeddedServer",
    "EmbeddedServerError",
    "PostgresAdminRepository",
    "PostgresAuditLog",
    "PostgresDatabaseStatus",
    "PostgresFailureCounter",
    "PostgresIngestRequestRepository",
    "PostgresJobQueue",
    "PostgresJobRepository",
    "PostgresJobSignals",
    "PostgresMediaRepository",
    "PostgresProviderLimits",
    "PostgresSecretRepository",
    "PostgresSettingsRepository",
    "PostgresSigningKeyRepository",
    "PostgresSlotRepository",
    "PostgresStatsService",
    "PostgresTemplateRepository",
    "PostgresWebhookOutbox",
    "PostgresWebhookRepository",
    "PostgresWorkerRegistry",
    "Snapshot",
    "TableShape",
    "TargetNotEmpty",
    "TransferFailed",
    "filling",
    "migrate",
    "require_current_schema",
    "require_empty",
    "require_known",
    "snapshot",
]
