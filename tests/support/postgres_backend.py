"""The PostgreSQL adapters as the contract suites take them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

from photochanger.adapters.postgres import (
    Database,
    PostgresAdminRepository,
    PostgresAuditLog,
    PostgresFailureCounter,
    PostgresIngestRequestRepository,
    PostgresJobQueue,
    PostgresJobRepository,
    PostgresJobSignals,
    PostgresMediaRepository,
    PostgresProviderLimits,
    PostgresSecretRepository,
    PostgresSettingsRepository,
    PostgresSigningKeyRepository,
    PostgresSlotRepository,
    PostgresStatsService,
    PostgresTemplateRepository,
    PostgresWebhookOutbox,
    PostgresWebhookRepository,
    PostgresWorkerRegistry,
)
from photochanger.core.services.support.concurrency import Supervisor


@asynccontextmanager
async def _listening(database: Database) -> AsyncIterator[PostgresJobSignals]:
    signals = PostgresJobSignals(database)
    async with Supervisor().supervised(signals.listen(), name="LISTEN"):
        yield signals


@asynccontextmanager
async def open_backend(url: str) -> AsyncIterator[SimpleNamespace]:
    """Every adapter on one database, already listening."""
    async with Database(url) as database, _listening(database) as signals:
        await signals.wait_until_listening()
        yield SimpleNamespace(
            database=database,
            queue=PostgresJobQueue(database),
            limits=PostgresProviderLimits(database),
            signals=signals,
            jobs=PostgresJobRepository(database),
            slots=PostgresSlotRepository(database),
            settings=PostgresSettingsRepository(database),
            secrets=PostgresSecretRepository(database),
            media=PostgresMediaRepository(database),
            stats=PostgresStatsService(database),
            audit=PostgresAuditLog(database),
            admins=PostgresAdminRepository(database),
            failures=PostgresFailureCounter(database),
            signing_keys=PostgresSigningKeyRepository(database),
            templates=PostgresTemplateRepository(database),
            webhooks=PostgresWebhookRepository(database),
            outbox=PostgresWebhookOutbox(database),
            workers=PostgresWorkerRegistry(database),
            ingest_requests=PostgresIngestRequestRepository(database),
        )
