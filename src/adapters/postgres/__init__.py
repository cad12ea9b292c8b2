"""PostgreSQL: the queue and everything that is kept, in an external server or the embedded one."""

from .accounts.admins import PostgresAdminRepository
from .accounts.ingest_keys import PostgresIngestKeyRepository
from .accounts.login_failures import PostgresFailureCounter
from .accounts.revoked_tokens import PostgresRevokedTokens
from .accounts.secret_key import PostgresSecretKeyRecord
from .accounts.signing_keys import PostgresSigningKeyRepository
from .audit import PostgresAuditLog
from .costs.ledger import PostgresCostLedger
from .database import Database
from .embedded.programs import EmbeddedServerError
from .embedded.server import EmbeddedServer
from .ingest_requests import PostgresIngestRequestRepository
from .jobs.guest_data import PostgresGuestData
from .jobs.log import PostgresJobLog
from .jobs.queue import PostgresJobQueue
from .jobs.repository import PostgresJobRepository
from .jobs.results import PostgresResultIndex
from .jobs.slot_records import PostgresSlotRecords
from .media.begun_files import PostgresBegunFiles
from .media.objects import PostgresMediaRepository
from .media.owned_files import PostgresOwnedFiles
from .migrate import PostgresDatabaseStatus, SchemaBusy, migrate, require_current_schema
from .outages import DatabaseRefused, DatabaseUnavailable
from .provider_checks import PostgresProviderCheckRepository
from .provider_limits import PostgresProviderLimits
from .secrets import PostgresSecretRepository
from .settings import PostgresSettingsRepository
from .signals.notifier import ListenMode, PostgresJobSignals
from .slots import PostgresSlotRepository
from .stats.service import PostgresStatsService
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
    "DatabaseRefused",
    "DatabaseUnavailable",
    "EmbeddedServer",
    "EmbeddedServerError",
    "ListenMode",
    "PostgresAdminRepository",
    "PostgresAuditLog",
    "PostgresBegunFiles",
    "PostgresCostLedger",
    "PostgresDatabaseStatus",
    "PostgresFailureCounter",
    "PostgresGuestData",
    "PostgresIngestKeyRepository",
    "PostgresIngestRequestRepository",
    "PostgresJobLog",
    "PostgresJobQueue",
    "PostgresJobRepository",
    "PostgresJobSignals",
    "PostgresMediaRepository",
    "PostgresOwnedFiles",
    "PostgresProviderCheckRepository",
    "PostgresProviderLimits",
    "PostgresResultIndex",
    "PostgresRevokedTokens",
    "PostgresSecretKeyRecord",
    "PostgresSecretRepository",
    "PostgresSettingsRepository",
    "PostgresSigningKeyRepository",
    "PostgresSlotRecords",
    "PostgresSlotRepository",
    "PostgresStatsService",
    "PostgresTemplateRepository",
    "PostgresWebhookOutbox",
    "PostgresWebhookRepository",
    "PostgresWorkerRegistry",
    "SchemaBusy",
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
