"""The adapters under test: each suite runs over all that implement its port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest
from photochanger.adapters.memory import memory_adapters
from photochanger.core.ports.accounts import AdminRepository, FailureCounter
from photochanger.core.ports.audit_log import AuditLog
from photochanger.core.ports.ingest_requests import IngestRequestRepository
from photochanger.core.ports.job_log import JobLog
from photochanger.core.ports.job_queue import JobQueue, JobSignals
from photochanger.core.ports.job_repository import JobRepository
from photochanger.core.ports.media_repository import MediaRepository
from photochanger.core.ports.provider_limits import ProviderLimits
from photochanger.core.ports.result_index import ResultIndex
from photochanger.core.ports.secrets import SecretRepository, SigningKeyRepository
from photochanger.core.ports.settings_repository import SettingsRepository
from photochanger.core.ports.slot_repository import SlotRepository, TemplateRepository
from photochanger.core.ports.stats_service import StatsService
from photochanger.core.ports.webhooks import WebhookOutbox, WebhookRepository
from photochanger.core.ports.workers import WorkerRegistry

from tests.support.postgres_backend import open_backend


@pytest.fixture(params=["memory", "postgres"])
def backend_url(request: pytest.FixtureRequest) -> str | None:
    """Where the backend lies: a database of this test's own, or nowhere."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else None


@pytest.fixture
async def backend(backend_url: str | None, anyio_backend: str) -> AsyncIterator[SimpleNamespace]:
    """Every adapter of one backend over the same data: queue, signals, jobs, slots, settings, secrets, media, stats."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(open_backend(backend_url)) if backend_url else _memory()


def _memory() -> SimpleNamespace:
    adapters = memory_adapters()
    return SimpleNamespace(
        queue=adapters[JobQueue],
        limits=adapters[ProviderLimits],
        signals=adapters[JobSignals],
        jobs=adapters[JobRepository],
        log=adapters[JobLog],
        results=adapters[ResultIndex],
        slots=adapters[SlotRepository],
        settings=adapters[SettingsRepository],
        secrets=adapters[SecretRepository],
        media=adapters[MediaRepository],
        stats=adapters[StatsService],
        audit=adapters[AuditLog],
        admins=adapters[AdminRepository],
        failures=adapters[FailureCounter],
        signing_keys=adapters[SigningKeyRepository],
        templates=adapters[TemplateRepository],
        webhooks=adapters[WebhookRepository],
        outbox=adapters[WebhookOutbox],
        workers=adapters[WorkerRegistry],
        ingest_requests=adapters[IngestRequestRepository],
    )
