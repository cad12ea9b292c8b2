"""What every process does before it takes work, once per data folder: schema, shipped slots, first passwords."""

from __future__ import annotations

import asyncio
import gc

import msgspec
from dishka import AsyncContainer

from ..adapters.postgres import Database, migrate
from ..core.domain.slot import shipped_slots
from ..core.ports.slot_repository import SlotRepository
from ..core.services.auth.admins import AdminService
from ..core.services.settings.service import SettingsService
from .config import Settings


def freeze_gc() -> None:
    """Let the garbage collector pass over what is there by now: it lives as long as the process.

    A full collection, which stops everything meanwhile, took 50 ms with the modules in it; most of that is theirs.
    """
    gc.collect()
    gc.freeze()


async def migrate_database(container: AsyncContainer) -> None:
    """Bring the schema up to date; safe beside other processes that do the same."""
    database = await container.get(Database)
    await asyncio.to_thread(migrate, database.url)


class InitialCredentials(msgspec.Struct, frozen=True):
    """What was generated at a first start and is known to nobody yet: the ingest password, an administrator with a
    password."""

    ingest_password: str | None
    administrator: tuple[str, str] | None

    def __repr__(self) -> str:
        return "InitialCredentials()"


async def seed(container: AsyncContainer) -> InitialCredentials:
    """Add what a service needs and does not have yet: shipped slots, the ingest password, an administrator."""
    settings = await container.get(Settings)
    ingest_password = await _seed_ingest(container, settings)
    admins = await container.get(AdminService)
    return InitialCredentials(
        ingest_password, await admins.ensure_first(settings.admin_username, settings.admin_password)
    )


async def seed_quietly(container: AsyncContainer) -> None:
    """The same where nobody reads what is printed: an administrator is added only if name and password are
    configured."""
    settings = await container.get(Settings)
    await _seed_ingest(container, settings)
    if settings.admin_username is not None and settings.admin_password is not None:
        await (await container.get(AdminService)).ensure_first(settings.admin_username, settings.admin_password)


def print_initial_credentials(first: InitialCredentials) -> None:
    """Print what was generated: the only time that it can be read."""
    if first.ingest_password is not None:
        print(f"The ingest password is {first.ingest_password} - note it now, it is not shown again.", flush=True)
    if first.administrator is not None:
        name, password = first.administrator
        print(f"The administrator {name} has the password {password} - note it now, it is not shown again.", flush=True)


async def _seed_ingest(container: AsyncContainer, settings: Settings) -> str | None:
    await (await container.get(SlotRepository)).add_missing(shipped_slots())
    return await (await container.get(SettingsService)).ensure_ingest_password(settings.ingest_password)
