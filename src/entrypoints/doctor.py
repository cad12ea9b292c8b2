"""`photochanger doctor`: looks at everything that a start needs and says what to mend, one finding a part."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable

from dishka import AsyncContainer

from ..adapters.postgres import Database
from ..core.errors import PhotoChangerError
from ..core.ports.clock import Clock
from ..core.ports.repositories import SettingsRepository, SlotRepository
from ..core.ports.secrets import SecretBox, SigningKeyRepository
from ..core.ports.security import AdminRepository
from ..core.ports.webhooks import WebhookOutbox
from ..core.ports.workers import WorkerRegistry
from ..core.services.catalogue import ProviderCatalogue
from ..core.services.free_space import FreeSpace
from ..core.services.provider_keys import ProviderKeys
from . import service_findings
from .config import Settings
from .container import make_container, secret_key_file
from .findings import Finding, provider_findings
from .providers import Providers
from .startup import readiness

_TIMEOUT_SECONDS = 30.0


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
    findings += [await service_findings.disk(await container.get(FreeSpace)), *_secret_key(settings)]
    if any(finding.mend for finding in findings if finding.part in ("database", "schema")):
        return findings
    stored = await (await container.get(SettingsRepository)).ingest_password()
    findings.append(
        Finding("ingest password", f"set {stored.changed_at:%Y-%m-%d %H:%M} UTC by {stored.changed_by}")
        if stored
        else Finding("ingest password", "not set yet", "Start `photochanger serve` once; it sets and prints one.")
    )
    findings += await _of_the_service(container)
    return findings + await provider_findings(
        slots=await (await container.get(SlotRepository)).all(),
        catalogue=await container.get(ProviderCatalogue),
        troubles=(await container.get(Providers)).troubles,
        keys=await container.get(ProviderKeys),
        settings=settings,
    )


async def _of_the_service(container: AsyncContainer) -> list[Finding]:
    database, clock = await container.get(Database), await container.get(Clock)
    await database.now()  # over a connection that is there already: a new one would count into the difference
    asked_at = clock.now()
    there = await database.now()
    here = clock.now()
    keys = await (await container.get(SigningKeyRepository)).all()
    return [
        service_findings.clock(here, there, took=here - asked_at),
        service_findings.workers(await (await container.get(WorkerRegistry)).all()),
        service_findings.administrators(await (await container.get(AdminRepository)).all()),
        await service_findings.signing_keys(keys, await container.get(SecretBox)),
        await service_findings.webhooks(await container.get(WebhookOutbox)),
    ]


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


def _secret_key(settings: Settings) -> list[Finding]:
    """Whether others on this machine can read the secret that seals keys; nothing where none is kept."""
    file = secret_key_file(settings)
    if settings.secret_key is not None or not file.exists():
        return []
    open_to_others = file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    says = f"kept in {file}" + (", which others can read or write" if open_to_others else "")
    return [Finding("secret key", says, f"Run `chmod 600 {file}`." if open_to_others else None)]
