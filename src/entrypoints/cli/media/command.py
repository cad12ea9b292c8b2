"""`photochanger media move`: all files from the folder to the bucket, or back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta

import click

from ....adapters.system_clock import SYSTEM_CLOCK
from ....core.domain.errors import ConfigurationError
from ....core.ports.clock import Clock
from ....core.ports.repositories.file_records import BegunFiles, OwnedFiles
from ....core.ports.telemetry import Telemetry
from ....core.services.maintenance.orphans import OrphanFiles
from ....core.services.media.move import MediaMove, MoveReport
from ....core.services.media.recorded_store import RecordedMediaStore
from ...config import PREFIX, Settings
from ...media_wiring import PlainStore, open_folder, require_media_store
from ..runtime import configured, open_container, run_async

_SHOW_EVERY = timedelta(seconds=5)
_MIB = 1024 * 1024


@click.group()
def media() -> None:
    """Manage the media store."""


@media.command("move")
@click.option("--to", "target", type=click.Choice(["s3", "folder"]), required=True, help="Where the files shall be.")
def move(target: str) -> None:
    """Move all files from the media folder to the bucket, or back. Set the PHOTOCHANGER_S3_* variables for both.

    The command can be ended and started again. Each file is deleted at its source only once its copy is verified. Until
    all are moved, links to files that are not in the store of the running service answer 404.
    """
    settings = configured()
    report, is_empty = run_async(move_media(settings, to_bucket=target == "s3", show=_shown_regularly()))
    click.echo(_text(report))
    if not is_empty:
        click.echo("The source still contains files. Run the command again; no row owns what then remains: delete it.")
    if report.damaged:
        click.echo(f"{report.damaged} files are damaged and were left at the source; the log names them.", err=True)
        sys.exit(1)
    done = "is set" if target == "s3" else "is not set"
    click.echo(f"Every process of the service must be started so that {PREFIX}S3_BUCKET {done}.")


async def move_media(
    settings: Settings, *, to_bucket: bool, show: Callable[[MoveReport], None]
) -> tuple[MoveReport, bool]:
    """Move all files; returns the report, and whether the source is empty now.

    ConfigurationError, SchemaOutdated, QueueUnavailable, StorageUnavailable.
    """
    if settings.s3_bucket is None:
        raise ConfigurationError(PREFIX + "S3_BUCKET", "is not set; name the bucket, also to move files out of it")
    async with open_container(settings) as container:
        await require_media_store(container, waits=False)
        bucket: PlainStore = await container.get(PlainStore)
        folder = open_folder(settings, await container.get(Telemetry))
        source, target = (folder, bucket) if to_bucket else (bucket, folder)
        begun, clock = await container.get(BegunFiles), await container.get(Clock)
        work = MediaMove(
            source,
            RecordedMediaStore(target, begun, clock),
            owned=await container.get(OwnedFiles),
            begun=begun,
            orphans=await container.get(OrphanFiles),
            clock=clock,
        )
        await work.run(show)
        return work.report, await source.is_empty()


def _shown_regularly() -> Callable[[MoveReport], None]:
    shown_at = SYSTEM_CLOCK.monotonic()

    def show(report: MoveReport) -> None:
        nonlocal shown_at
        if SYSTEM_CLOCK.monotonic() - shown_at >= _SHOW_EVERY:
            click.echo(_text(report))
            shown_at = SYSTEM_CLOCK.monotonic()

    return show


def _text(report: MoveReport) -> str:
    text = f"{report.moved} files moved ({report.moved_bytes / _MIB:.1f} MiB), {report.there} were there already"
    return f"{text}, {report.missing} are missing in both places" if report.missing else text
