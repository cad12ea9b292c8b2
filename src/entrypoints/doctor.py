"""`photochanger doctor`: looks at everything that a start needs and says what to mend, one finding a part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dishka import AsyncContainer

from ..core.domain.errors import PhotoChangerError
from ..core.ports.slot_repository import SlotRepository
from ..core.services.providers.api_keys import ProviderKeys
from ..core.services.providers.registry import ProviderRegistry
from .builtin_providers import Providers
from .config import Settings
from .container import make_container
from .diagnostics import report as examination
from .diagnostics.finding import Finding
from .diagnostics.provider_checks import provider_findings
from .diagnostics.readiness import Readiness

_TIMEOUT_SECONDS = 30.0


async def run_checks() -> list[Finding]:
    """Every finding, the configuration first: where that cannot be read, nothing else is looked at."""
    try:
        settings = Settings.from_env()
    except PhotoChangerError as error:
        return [Finding("configuration", error.detail, "Mend or unset this environment variable.")]
    findings = [Finding("configuration", f"data in {settings.home.absolute()}, media in {settings.media_folder}")]
    container = make_container(settings)
    try:
        findings += await _parts(container)
    finally:
        await container.close()
    return findings


async def _parts(container: AsyncContainer) -> list[Finding]:
    try:
        checks = (await container.get(Readiness)).checks
    except (PhotoChangerError, OSError) as error:
        return [Finding("database", str(error), "Check PHOTOCHANGER_HOME and PHOTOCHANGER_DATABASE_URL.")]
    findings = [await _check(part, check, _MEND[part]) for part, check in checks.items()]
    findings += await examination.of_the_machine(container)
    if any(finding.mend for finding in findings if finding.part in ("database", "schema")):
        return findings
    findings += await examination.of_the_service(container)
    findings.append(await examination.of_the_clocks(container))
    return findings + await provider_findings(
        slots=await (await container.get(SlotRepository)).all(),
        catalogue=await container.get(ProviderRegistry),
        troubles=(await container.get(Providers)).troubles,
        keys=await container.get(ProviderKeys),
        settings=await container.get(Settings),
    )


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
