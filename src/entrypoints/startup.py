"""What every process does before it takes work, once per data folder: schema, shipped slots, the ingest password."""

from __future__ import annotations

import asyncio
from functools import partial

from dishka import AsyncContainer

from ..adapters.postgres import Database, migrate, require_current_schema
from ..core.errors import PhotoChangerError
from ..core.ports.media import MediaStore
from ..core.ports.repositories import SlotRepository
from ..core.services.settings_service import SettingsService
from ..core.slots import shipped_slots
from .config import Settings
from .readiness import Check, Readiness


class WorkerMissing(PhotoChangerError):
    """No worker of this service is running."""

    code = "worker_missing"


async def migrate_database(container: AsyncContainer) -> None:
    """Bring the schema up to date; safe beside other processes that do the same."""
    database = await container.get(Database)
    await asyncio.to_thread(migrate, database.url)


async def seed(container: AsyncContainer) -> str | None:
    """Add the shipped slots that are missing and set the first ingest password; returns it if it was generated."""
    settings = await container.get(Settings)
    await (await container.get(SlotRepository)).add_missing(shipped_slots())
    return await (await container.get(SettingsService)).ensure_ingest_password(settings.ingest_password)


async def readiness(container: AsyncContainer, *, database: Database | None, worker: Check | None = None) -> Readiness:
    """The checks of this process. `database` and `worker` are left out where there is none here."""
    checks: dict[str, Check] = {}
    if database is not None:
        checks["database"] = database.ping
        checks["schema"] = partial(require_current_schema, database)
    checks["store"] = (await container.get(MediaStore)).check
    if worker is not None:
        checks["worker"] = worker
    return Readiness(checks)
