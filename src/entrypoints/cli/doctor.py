"""`photochanger doctor`: check everything that a start needs; one finding per part, with how to fix it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import click
from dishka import AsyncContainer

from ...core.domain.errors import PhotoChangerError
from ...core.ports.database import DatabaseStatus
from ...core.ports.repositories.slot_repository import SlotRepository
from ...core.services.providers.api_keys import ProviderKeys
from ...core.services.providers.checks import ProviderChecks
from ...core.services.providers.registry import ProviderRegistry
from ..builtin_providers import Providers
from ..config import Settings
from ..container import make_container
from ..diagnostics import report as examination
from ..diagnostics.database_connections import database_connections
from ..diagnostics.finding import Finding
from ..diagnostics.provider_checks import provider_findings
from ..diagnostics.readiness import Readiness

_TIMEOUT_SECONDS = 30.0


@click.command()
def doctor() -> None:
    """Check the configuration and say how to fix it; the exit code is 1 if something has to be fixed."""
    findings = asyncio.run(run_checks())
    for finding in findings:
        click.echo(f"{'ok ' if finding.fix is None else 'FIX'}  {finding.part}: {finding.says}")
        if finding.fix is not None:
            click.echo(f"     {finding.fix}")
    if any(finding.fix is not None for finding in findings):
        sys.exit(1)


async def run_checks() -> list[Finding]:
    """All findings, the configuration first; the others are left out if it is invalid."""
    try:
        settings = Settings.from_env()
    except PhotoChangerError as error:
        return [Finding("configuration", error.detail, "Fix or unset this environment variable.")]
    findings = [Finding("configuration", f"data in {settings.home.absolute()}, media in {settings.media_folder}")]
    container = make_container(settings)
    try:
        findings += await _parts(container)
    finally:
        await container.close()
    return findings


async def _parts(container: AsyncContainer) -> list[Finding]:
    try:
        fit = (await container.get(DatabaseStatus)).require_fit
        checks = {**(await container.get(Readiness)).checks, "database": fit}
    except (PhotoChangerError, OSError) as error:
        says = error.explanation if isinstance(error, PhotoChangerError) else str(error)
        return [Finding("database", says, "Check PHOTOCHANGER_HOME and PHOTOCHANGER_DATABASE_URL.")]
    findings = [await _check(part, check, _HOW_TO_FIX[part]) for part, check in checks.items()]
    findings += await examination.of_the_machine(container)
    if any(finding.fix for finding in findings if finding.part in ("database", "schema")):
        return findings
    findings += await database_connections(container)
    findings += await examination.of_the_service(container)
    findings.append(await examination.of_the_clocks(container))
    return findings + await provider_findings(
        slots=await (await container.get(SlotRepository)).all(),
        catalogue=await container.get(ProviderRegistry),
        skipped=(await container.get(Providers)).skipped,
        keys=await container.get(ProviderKeys),
        settings=await container.get(Settings),
        checks=await container.get(ProviderChecks),
    )


_HOW_TO_FIX = {
    "database": "Check that PostgreSQL runs and that PHOTOCHANGER_DATABASE_URL is right.",
    "schema": "Run `photochanger migrate`.",
    "store": "Check free space and write permission of the media folder (PHOTOCHANGER_MEDIA_ROOT).",
}


async def _check(part: str, check: Callable[[], Awaitable[None]], fix: str) -> Finding:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await check()
    except PhotoChangerError as error:
        return Finding(part, error.explanation, fix)
    except TimeoutError:
        return Finding(part, f"no answer within {_TIMEOUT_SECONDS:g} s", fix)
    return Finding(part, "works")
