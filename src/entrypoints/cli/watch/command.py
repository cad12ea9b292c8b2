"""`photochanger watch`: send every photo that appears in a folder, and put the pictures into another one."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console

from ....adapters.system_clock import SYSTEM_CLOCK
from ..runtime import run_async
from ..send.client import SendTarget, make_client
from ..send.progress import make_display
from ..send.response import printable
from ..send.target import ingest_password, make_target, stopped_by_signals
from ..tables import make_console
from .files import only_process
from .folders import WatchFolders, prepare_folders
from .journal import JOURNAL_NAME, Journal
from .loop import FolderWatch
from .photo_run import PhotoEnd, PhotoRuns
from .scanner import FolderScanner


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--slot", required=True, help="Slot that processes the photos, such as slot-001.")
@click.option("--url", required=True, help="Address of the service, such as http://host:8000.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for the pictures.")
@click.option("--at-once", type=click.IntRange(1, 64), default=2, show_default=True, help="Photos sent concurrently.")
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="Additional form field; may be repeated.")
@click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    help="File that contains the ingest password; - is standard input.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 3600, min_open=True),
    default=75.0,
    show_default=True,
    help="Seconds to wait for an answer: the sync window of the service plus time for the transfer.",
)
@click.option("--once", is_flag=True, help="Send what is in the folder, then end.")
def watch(
    folder: Path,
    slot: str,
    url: str,
    output: Path,
    at_once: int,
    fields: tuple[str, ...],
    password_file: TextIO | None,
    timeout: float,
    once: bool,
) -> None:
    """Send every photo that appears in FOLDER, and put its picture into another folder under the same name.

    A photo is sent when it has been written to its end. Then it is moved to FOLDER/done, or to FOLDER/failed with the
    reason in a file next to it; put it back into FOLDER to send it again. Photos wait in FOLDER while the service is
    away. IMG_1.json or IMG_1.txt (name=value) next to IMG_1.jpg become form fields. The same photo is sent once.

    The ingest password is read from --password-file or PHOTOCHANGER_INGEST_PASSWORD, or prompted for. Ctrl-C and
    SIGTERM end the command; the next start goes on where it stopped. The exit code is 0, with --once 1 if a photo has
    failed.
    """
    password = ingest_password(password_file)
    target = make_target(url, slot, password=password, fields=fields, timeout_seconds=timeout)
    prepare_folders(folder, output)
    with only_process(folder):
        journal = Journal(folder / JOURNAL_NAME)
        folders = WatchFolders(folder, output, journal, now=SYSTEM_CLOCK.now)
        ends = run_async(_watch(target, folders, at_once=at_once, once=once, console=make_console()))
    if once and ends[PhotoEnd.FAILED]:
        sys.exit(1)


async def _watch(
    target: SendTarget, folders: WatchFolders, *, at_once: int, once: bool, console: Console
) -> Counter[PhotoEnd]:
    """Watch until a signal, or with `once` until the folder has no more photos."""
    async with make_client(target, at_once=at_once) as http:
        with ExitStack() as stack:
            stop = stack.enter_context(stopped_by_signals(signal.SIGINT, signal.SIGTERM))
            display = stack.enter_context(make_display(console, None))

            def notify(line: str) -> None:
                console.print(line, soft_wrap=True)

            runs = PhotoRuns(http, target, folders, progress=display, stop=stop)
            loop = FolderWatch(
                FolderScanner(folders.folder), runs, folder=folders.folder, at_once=at_once, notify=notify
            )
            console.print(f"Watching {printable(str(folders.folder))}", soft_wrap=True)
            await loop.run(stop, once=once)
    ends = loop.ends
    console.print(
        f"{ends[PhotoEnd.PICTURE]} pictures, {ends[PhotoEnd.FAILED]} failed, {ends[PhotoEnd.DUPLICATE]} duplicates",
        soft_wrap=True,
    )
    return ends
