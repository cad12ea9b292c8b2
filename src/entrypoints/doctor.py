"""`photochanger doctor`: looks at everything that a start needs and says what to mend, one finding a part."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable

import msgspec
from dishka import AsyncContainer

from ..adapters.postgres import Database
from ..core.errors import InvalidSettings, PhotoChangerError
from ..core.ports.providers import ProviderError
from ..core.ports.repositories import SettingsRepository, SlotRepository
from ..core.services.catalogue import ProviderCatalogue
from ..core.slots import Slot
from .config import Settings
from .container import make_container
from .startup import readiness

_LOW_DISK_BYTES = 2 * 1024**3
_TIMEOUT_SECONDS = 30.0


class Finding(msgspec.Struct, frozen=True):
    """What was seen of one part; `mend` says what to do, None where all is well."""

    part: str
    says: str
    mend: str | None = None


async def examine() -> list[Finding]:
    """Every finding, the configuration first: where that cannot be read, nothing else is looked at."""
    try:
        settings = Settings.from_env()
    except PhotoChangerError as error:
        return [Finding("configuration", error.detail, "Mend or unset this environment variable.")]
    findings = [Finding("configuration", f"data in {settings.home.absolute()}, media in {settings.media_folder}")]
    container = make_container(settings)
    try:
        findings += await _parts(container, settings)
    finally:
        await container.close()
    return findings


async def _parts(container: AsyncContainer, settings: Settings) -> list[Finding]:
    try:
        checks = (await readiness(container, database=await container.get(Database))).checks
    except (PhotoChangerError, OSError) as error:
        return [Finding("database", str(error), "Check PHOTOCHANGER_HOME and PHOTOCHANGER_DATABASE_URL.")]
    findings = [await _check(part, check, _MEND[part]) for part, check in checks.items()]
    findings.append(_disk(settings))
    if any(finding.mend for finding in findings if finding.part in ("database", "schema")):
        return findings
    stored = await (await container.get(SettingsRepository)).ingest_password()
    findings.append(
        Finding("ingest password", f"set {stored.changed_at:%Y-%m-%d %H:%M} UTC by {stored.changed_by}")
        if stored
        else Finding("ingest password", "not set yet", "Start `photochanger serve` once; it sets and prints one.")
    )
    providers = await container.get(ProviderCatalogue)
    slots = await (await container.get(SlotRepository)).all()
    return findings + [_slot(slot, providers) for slot in slots if slot.active]


_MEND = {
    "database": "Check that PostgreSQL runs and that PHOTOCHANGER_DATABASE_URL is right.",
    "schema": "Run `photochanger migrate`.",
    "store": "Check free space and write permission of the media folder (PHOTOCHANGER_MEDIA_ROOT).",
}


async def _check(part: str, check: Callable[[], Awaitable[None]], mend: str) -> Finding:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await check()
    except PhotoChangerError as error:
        return Finding(part, error.detail, mend)
    except TimeoutError:
        return Finding(part, f"no answer within {_TIMEOUT_SECONDS:g} s", mend)
    return Finding(part, "works")


def _disk(settings: Settings) -> Finding:
    folder = settings.media_folder
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    says = f"{free / 1024**3:.1f} GiB free for media"
    return Finding("disk", says, "Make room: below 2 GiB." if free < _LOW_DISK_BYTES else None)


def _slot(slot: Slot, providers: ProviderCatalogue) -> Finding:
    """Whether every entry of the slot's route can be used as it is configured."""
    for entry in slot.route.entries:
        try:
            provider, operation = providers.find(entry.provider_id, entry.operation_id)
            provider.check_settings(operation.id, entry.settings)
        except ProviderError as error:
            return Finding(slot.id, error.reason, "Change the slot's route, or configure the provider.")
        except InvalidSettings as error:
            wrong = "; ".join(f"{path}: {what}" for path, what in error.errors)
            return Finding(slot.id, f"{error.detail} {wrong}", "Change the slot's settings.")
    route = " then ".join(f"{entry.provider_id}/{entry.operation_id}" for entry in slot.route.entries)
    return Finding(slot.id, f"{slot.name}: {route}")
