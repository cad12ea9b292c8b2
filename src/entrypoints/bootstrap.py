"""First start of a process or data folder: schema, shipped slots, initial passwords."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

from dishka import AsyncContainer

from ..adapters.postgres import Database, DatabaseRefused, DatabaseUnavailable, migrate
from ..core.domain.ingest_request import PasswordCheck
from ..core.domain.slots.slot import shipped_slots
from ..core.ports.clock import Clock
from ..core.ports.repositories.ingest_requests import IngestRequestRepository
from ..core.ports.repositories.slot_repository import SlotRepository
from ..core.services.auth.admins import AdminService
from ..core.services.auth.known_addresses import KnownAddresses
from ..core.services.settings.service import SettingsService
from ..core.services.support.concurrency import race
from .config import Settings
from .media_wiring import require_media_store
from .shared_key import require_shared_key

_log = logging.getLogger("photochanger.start")

_DATABASE_PAUSE = timedelta(seconds=0.5)
_LOG_WAITING_EVERY = timedelta(seconds=10)


def freeze_gc() -> None:
    """Exclude the objects that exist now from garbage collection: they live as long as the process.

    A full collection, which stops the process, takes 50 ms with the imported modules in it.
    """
    gc.collect()
    gc.freeze()


async def prepare_database(container: AsyncContainer, stopped: asyncio.Event, *, cameras: bool = False) -> bool:
    """Update the schema and add what is missing, as soon as the database can be reached and written to.

    Prints generated credentials. With `cameras` it also notes their addresses. False if the process is stopped before.

    DatabaseRefused, SchemaOutdated, ConfigurationError (another secret key, an unusable bucket): waiting does not help.
    """

    # Each is printed before the next step, which may fail: it is generated once.
    async def seed_ingest() -> None:
        print_ingest_password(await seed_ingest_password(container))

    async def seed_admin() -> None:
        print_administrator(await seed_administrator(container))

    steps: list[Callable[[], Awaitable[None]]] = [
        partial(require_media_store, container),
        partial(migrate_database, container),
        partial(require_shared_key, container),
        seed_ingest,
        seed_admin,
    ]
    if cameras:
        steps.append(partial(recognise_cameras, container))
    ended, _ = await race(_when_available(container, steps), stopped.wait())
    return ended == 0


async def _when_available(container: AsyncContainer, steps: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Take the steps, each again while the database is unavailable; it may be lost between two of them."""
    clock = await container.get(Clock)
    log_at = clock.monotonic()
    left = list(steps)
    while left:
        try:
            await left[0]()
            left.pop(0)
        except DatabaseRefused:
            raise
        except DatabaseUnavailable as error:
            if clock.monotonic() >= log_at:
                _log.warning("waiting for the database: %s", error.reason)
                log_at = clock.monotonic() + _LOG_WAITING_EVERY
            await clock.sleep(_DATABASE_PAUSE)


async def migrate_database(container: AsyncContainer) -> None:
    """Update the schema; safe in several processes at the same time."""
    database = await container.get(Database)
    await asyncio.to_thread(migrate, database.url)


async def seed_ingest_password(container: AsyncContainer) -> str | None:
    """Add the shipped slots and an ingest password where they are missing; returns a password that was generated."""
    settings = await container.get(Settings)
    await (await container.get(SlotRepository)).add_missing(shipped_slots(settings.slot_count))
    return await (await container.get(SettingsService)).ensure_ingest_password(settings.ingest_password)


async def seed_administrator(container: AsyncContainer) -> tuple[str, str] | None:
    """Add an administrator where there is none; returns name and password where the password was generated."""
    settings = await container.get(Settings)
    admins = await container.get(AdminService)
    return await admins.ensure_first(settings.admin_username, settings.admin_password)


async def seed_quietly(container: AsyncContainer) -> None:
    """Add what is missing without output: an administrator only if name and password are configured.

    ConfigurationError where the other hosts of the database have another secret key, or the bucket cannot be used.
    """
    settings = await container.get(Settings)
    await require_media_store(container)
    await require_shared_key(container)
    await seed_ingest_password(container)
    if settings.admin_username is not None and settings.admin_password is not None:
        await seed_administrator(container)


async def recognise_cameras(container: AsyncContainer) -> None:
    """Note the addresses of the slots' last requests with a right password as known: a restart forgets no camera."""
    known = await container.get(KnownAddresses)
    requests = await container.get(IngestRequestRepository)
    for request in await requests.all():
        if request.password is PasswordCheck.RIGHT:
            known.note(request.address)


def print_ingest_password(password: str | None) -> None:
    """Print a generated ingest password; it cannot be shown again."""
    if password is not None:
        print(f"Ingest password: {password} (shown only once)", flush=True)


def print_administrator(first: tuple[str, str] | None) -> None:
    """Print a generated administrator's name and password; they cannot be shown again."""
    if first is not None:
        name, password = first
        print(f"Administrator: {name}, password: {password} (shown only once)", flush=True)
