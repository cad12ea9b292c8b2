"""`photochanger jobs`: erase the guests of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import click

from ...core.domain.accounts import COMMAND_LINE
from ...core.domain.errors import JobNotFound, StorageUnavailable
from ...core.domain.job import Job
from ...core.domain.pagination import JobFilter, JobOrder, Position
from ...core.ports.repositories.job_repository import JobRepository
from ...core.services.jobs.erasure import GuestErasure
from ..config import Settings
from .moment import Moment
from .runtime import configured, open_container, run_async

_PAGE = 200


@click.group()
def jobs() -> None:
    """Erase guests."""


@jobs.command("erase")
@click.argument("job_ids", metavar="[JOB_ID]...", nargs=-1, type=click.UUID)
@click.option("--slot", "slot_id", help="All jobs of this slot.")
@click.option("--from", "created_from", type=Moment(), metavar="MOMENT", help="Jobs received from this moment on.")
@click.option("--to", "created_to", type=Moment(), metavar="MOMENT", help="Jobs received before this moment.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(
    job_ids: tuple[UUID, ...],
    slot_id: str | None,
    created_from: datetime | None,
    created_to: datetime | None,
    yes: bool,
) -> None:
    """Erase the guests of jobs: pictures, photos, text fields and what providers said. Statistics stay.

    Name the jobs, or select them by slot and time; moments are 2026-05-01 or 2026-05-01T18:30. Public links answer 410
    from then on, running jobs are cancelled. The service may be running. This cannot be undone.
    """
    wanted = JobFilter(slot_id=slot_id, created_from=created_from, created_to=created_to)
    selects = wanted != JobFilter()
    if bool(job_ids) == selects:
        raise click.UsageError("Name jobs by their ids, or select them by --slot, --from and --to.")
    settings = configured()
    found = run_async(_named(settings, job_ids) if job_ids else _selected(settings, wanted))
    if not found:
        click.echo("There is nothing to erase.")
        return
    slots = ", ".join(sorted({job.slot_id for job in found}))
    moments = sorted(job.created_at for job in found)
    first, last = (f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" for moment in (moments[0], moments[-1]))
    click.echo(f"{_counted(len(found))} of {slots}, received from {first} to {last}.")
    if not yes:
        click.confirm("Erase pictures, photos and data of these guests for good?", abort=True)
    left = run_async(_erase(settings, [job.id for job in found]))
    click.echo(f"{_counted(len(found) - left)} erased.")
    if left:
        raise click.ClickException(
            f"Files of {_counted(left)} could not be deleted. Their links are closed; the sweeper tries again."
        )


async def _named(settings: Settings, job_ids: Sequence[UUID]) -> list[Job]:
    """The jobs with these ids; JobNotFound unless all of them exist."""
    async with open_container(settings) as container:
        records = await container.get(JobRepository)
        found = []
        for job_id in dict.fromkeys(job_ids):
            try:
                found.append(await records.get(job_id))
            except JobNotFound:
                raise JobNotFound(f"There is no job {job_id}; nothing was erased.") from None
        return found


async def _selected(settings: Settings, wanted: JobFilter) -> list[Job]:
    """The jobs that match and still have data of their guest, oldest first."""
    async with open_container(settings) as container:
        records = await container.get(JobRepository)
        return [job async for job in _all(records, wanted) if job.knows_guest]


async def _all(records: JobRepository, wanted: JobFilter) -> AsyncIterator[Job]:
    after: Position | None = None
    while True:
        page = await records.find(wanted, order=JobOrder.OLDEST, limit=_PAGE, after=after)
        for job in page.items:
            yield job
        after = page.next
        if after is None:
            return


async def _erase(settings: Settings, job_ids: Sequence[UUID]) -> int:
    """Erase the guests of these jobs; returns how many still have files that could not be deleted."""
    left = 0
    async with open_container(settings) as container:
        erasure = await container.get(GuestErasure)
        for job_id in job_ids:
            try:
                await erasure.erase(job_id, by=COMMAND_LINE)
            except StorageUnavailable as error:
                click.echo(f"{job_id}: {error.detail}", err=True)
                left += 1
    return left


def _counted(jobs: int) -> str:
    return f"{jobs} job" if jobs == 1 else f"{jobs} jobs"
