"""The wiring of the service around the adapters of a test."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dishka import AsyncContainer
from photochanger.core.domain.settings import AppSettings
from photochanger.core.ports.accounts import AdminRepository, FailureCounter, RevokedTokens
from photochanger.core.ports.cost_ledger import CostLedger
from photochanger.core.ports.job_queue import JobQueue, JobSignals
from photochanger.core.ports.provider_limits import ProviderLimits
from photochanger.core.ports.repositories.audit_log import AuditLog
from photochanger.core.ports.repositories.file_records import BegunFiles, OwnedFiles
from photochanger.core.ports.repositories.guest_data import GuestData
from photochanger.core.ports.repositories.ingest_keys import IngestKeyRepository
from photochanger.core.ports.repositories.ingest_requests import IngestRequestRepository
from photochanger.core.ports.repositories.job_log import JobLog
from photochanger.core.ports.repositories.job_repository import JobRepository
from photochanger.core.ports.repositories.media_repository import MediaRepository
from photochanger.core.ports.repositories.provider_checks import ProviderCheckRepository
from photochanger.core.ports.repositories.result_index import ResultIndex
from photochanger.core.ports.repositories.settings_repository import SettingsRepository
from photochanger.core.ports.repositories.slot_records import SlotRecordReader
from photochanger.core.ports.repositories.slot_repository import SlotRepository, TemplateRepository
from photochanger.core.ports.secrets import SecretKeyRecord, SecretRepository, SigningKeyRepository
from photochanger.core.ports.stats_service import StatsService
from photochanger.core.ports.webhooks import WebhookOutbox, WebhookRepository
from photochanger.core.ports.workers import WorkerRegistry
from photochanger.entrypoints.config import Settings

BACKEND_PORTS: dict[str, type] = {
    "queue": JobQueue,
    "limits": ProviderLimits,
    "signals": JobSignals,
    "jobs": JobRepository,
    "log": JobLog,
    "results": ResultIndex,
    "guests": GuestData,
    "slots": SlotRepository,
    "slot_records": SlotRecordReader,
    "settings": SettingsRepository,
    "secrets": SecretRepository,
    "media": MediaRepository,
    "begun_files": BegunFiles,
    "owned_files": OwnedFiles,
    "stats": StatsService,
    "ledger": CostLedger,
    "audit": AuditLog,
    "admins": AdminRepository,
    "failures": FailureCounter,
    "revoked_tokens": RevokedTokens,
    "signing_keys": SigningKeyRepository,
    "secret_key": SecretKeyRecord,
    "templates": TemplateRepository,
    "webhooks": WebhookRepository,
    "outbox": WebhookOutbox,
    "workers": WorkerRegistry,
    "ingest_keys": IngestKeyRepository,
    "ingest_requests": IngestRequestRepository,
    "provider_checks": ProviderCheckRepository,
}
"""The ports that a database implements, by the names that tests use."""


def backend_of(adapters: dict[type, Any], **more: Any) -> SimpleNamespace:
    """The adapters of one database by name."""
    return SimpleNamespace(**{name: adapters[port] for name, port in BACKEND_PORTS.items()}, **more)


def get_now(container: AsyncContainer, type: Any) -> Any:
    """Get an object from a container whose factories do not suspend. Also works where no event loop runs."""
    getting = container.get(type)
    try:
        getting.send(None)
    except StopIteration as result:
        return result.value
    getting.close()
    raise AssertionError(f"{type} cannot be made without waiting; replace the adapter that it needs")


def settings_with(defaults: AppSettings | None = None, **fields: Any) -> Settings:
    """The settings of a process in which these defaults apply."""
    defaults = defaults or AppSettings()
    names = ("sync_response", "result_retention", "max_active_jobs", "max_upload_bytes", "max_image_pixels")
    return Settings(**{name: getattr(defaults, name) for name in names}, **fields)
