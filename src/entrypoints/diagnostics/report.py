"""Checks of a running service without side effects, for `doctor` and `GET /api/status`."""

from __future__ import annotations

import stat

from dishka import AsyncContainer

from ...core.ports.accounts import AdminRepository
from ...core.ports.clock import Clock
from ...core.ports.database import DatabaseStatus
from ...core.ports.repositories.settings_repository import SettingsRepository
from ...core.ports.repositories.slot_repository import SlotRepository
from ...core.ports.secrets import SecretBox, SecretKeyUnavailable, SigningKeyRepository
from ...core.ports.webhooks import WebhookOutbox
from ...core.ports.workers import WorkerRegistry
from ...core.services.auth.shared_secret_key import SharedSecretKey
from ...core.services.media.disk_space import DiskSpace
from ...core.services.providers.api_keys import ProviderKeys
from ...core.services.providers.registry import ProviderRegistry
from ...core.services.support.database_clock import ClockOffset, DatabaseClock
from ..builtin_providers import Providers
from ..config import Settings
from ..process.file_limit import attainable_file_limit
from . import service_checks as service_findings
from .finding import Finding, FindingCode
from .provider_checks import configured_findings


async def findings(container: AsyncContainer) -> list[Finding]:
    """All findings that need no request to a provider's service. QueueUnavailable."""
    found = [*await of_the_machine(container), *await of_the_service(container), await of_the_clocks(container)]
    return found + await configured_findings(
        slots=await (await container.get(SlotRepository)).all(),
        catalogue=await container.get(ProviderRegistry),
        skipped=(await container.get(Providers)).skipped,
        keys=await container.get(ProviderKeys),
        settings=await container.get(Settings),
    )


async def of_the_machine(container: AsyncContainer) -> list[Finding]:
    """Findings that need no database: free disk space, open files, and permissions of the secret key."""
    disk = await service_findings.disk(await container.get(DiskSpace))
    return [disk, service_findings.open_files(attainable_file_limit()), *_secret_key(await container.get(Settings))]


async def of_the_service(container: AsyncContainer) -> list[Finding]:
    """Findings on ingest password, workers, administrators, signing keys and webhooks. QueueUnavailable."""
    keys = await (await container.get(SigningKeyRepository)).all()
    return [
        await _ingest_password(await container.get(SettingsRepository)),
        service_findings.workers(await (await container.get(WorkerRegistry)).all()),
        service_findings.administrators(await (await container.get(AdminRepository)).all()),
        *await _shared_key(container),
        await service_findings.signing_keys(keys, await container.get(SecretBox)),
        await service_findings.webhooks(await container.get(WebhookOutbox)),
    ]


async def _shared_key(container: AsyncContainer) -> list[Finding]:
    """Whether this host has the secret key of an external database; nothing before the first start."""
    settings, shared = await container.get(Settings), await container.get(SharedSecretKey)
    if settings.database_url is None or not await shared.is_recorded():
        return []
    if settings.secret_key is None and not settings.secret_key_file.exists():  # a check does not create it
        return [service_findings.shared_key(is_same=False)]
    try:
        return [service_findings.shared_key(is_same=bool(await shared.is_same()))]
    except SecretKeyUnavailable as error:
        return [service_findings.unreadable_key("shared secret key", error)]


async def of_the_clocks(container: AsyncContainer) -> Finding:
    """This machine's clock against the database's. QueueUnavailable."""
    return service_findings.clock(await clock_offset(container))


async def clock_offset(container: AsyncContainer) -> ClockOffset:
    """The latest measurement of this process, or its first one. QueueUnavailable."""
    clock = await container.get(Clock)
    if not isinstance(clock, DatabaseClock):  # that of an embedding program
        clock = DatabaseClock(clock)
    return clock.offset or await clock.measure(await container.get(DatabaseStatus))


async def _ingest_password(settings: SettingsRepository) -> Finding:
    stored = await settings.ingest_password()
    if stored is None:
        found = Finding("ingest password", "not set yet", "Start `photochanger serve` once; it sets and prints one.")
        return found.coded(FindingCode.INGEST_PASSWORD_UNSET)
    found = Finding("ingest password", f"set {stored.changed_at:%Y-%m-%d %H:%M} UTC by {stored.changed_by}")
    return found.coded(FindingCode.INGEST_PASSWORD_SET, at=stored.changed_at, by=stored.changed_by)


def _secret_key(settings: Settings) -> list[Finding]:
    """Whether other users of this machine can read the secret key; nothing if it is not in a file."""
    file = settings.secret_key_file
    if settings.secret_key is not None or not file.exists():
        return []
    open_to_others = file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    says = f"kept in {file}" + (", which others can read or write" if open_to_others else "")
    found = Finding("secret key", says, f"Run `chmod 600 {file}`." if open_to_others else None)
    code = FindingCode.SECRET_KEY_OPEN if open_to_others else FindingCode.SECRET_KEY_KEPT
    return [found.coded(code, file=str(file))]
