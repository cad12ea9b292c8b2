"""`photochanger fetch`: download the finished pictures of slots and times, and go on where it stopped."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click
import httpx2
from rich.console import Console

from ....core.domain.errors import ConfigurationError
from ...config import PREFIX
from .. import INTERRUPTED
from ..moment import Moment
from ..runtime import MAX_INPUT_BYTES, run_async
from ..send.client import open_client
from ..send.response import one_line, printable
from ..send.target import base_of, prepare_output, stopped_by_signals
from ..tables import make_console
from ..watch.files import remove_parts
from .api import Listed, Refused, ServiceApi, Wanted
from .download import Downloads, End

_SLOT = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_PASSWORD = PREFIX + "ADMIN_PASSWORD"


@click.command()
@click.option("--slot", "slot_ids", multiple=True, help="Slot, such as slot-001; may be repeated. Without it: all.")
@click.option("--from", "ended_from", type=Moment(), metavar="MOMENT", help="Pictures finished from this moment on.")
@click.option("--to", "ended_to", type=Moment(), metavar="MOMENT", help="Pictures finished before this moment.")
@click.option("--url", required=True, help="Address of the service, such as http://host:8000.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the pictures.")
@click.option("--user", default="admin", show_default=True, help="Administrator who may read jobs.")
@click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    help="File that contains the administrator's password; - is standard input.",
)
@click.option("--at-once", type=click.IntRange(1, 16), default=4, show_default=True, help="Pictures at the same time.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 3600, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds without data after which a download is tried again.",
)
def fetch(
    slot_ids: tuple[str, ...],
    ended_from: datetime | None,
    ended_to: datetime | None,
    url: str,
    output: Path,
    user: str,
    password_file: TextIO | None,
    at_once: int,
    timeout: float,
) -> None:
    """Download finished pictures into a folder for each slot; moments are 2026-05-01 or 2026-05-01T18:30.

    A picture that is there and whole is not downloaded again: run the command again to go on after an interruption, or
    to get what was made meanwhile. Times in file names are in UTC.

    The administrator's password is read from --password-file or PHOTOCHANGER_ADMIN_PASSWORD, or prompted for. The exit
    code is 1 if a picture could not be downloaded, and 130 after Ctrl-C.
    """
    for slot_id in slot_ids:
        if not _SLOT.match(slot_id):
            raise ConfigurationError("--slot", f"{printable(slot_id[:64])!r} is not the id of a slot")
    wanted = Wanted(slot_ids=slot_ids, ended_from=ended_from, ended_to=ended_to)
    base, password = base_of(url), _password(password_file, user)
    prepare_output(output, verb="downloaded")
    http = open_client(timeout, name="photochanger-fetch", at_once=at_once, kept=at_once)
    api = ServiceApi(http, base, username=user, password=password)
    try:
        ends, stopped = run_async(_fetch(http, api, wanted, folder=output, at_once=at_once, console=make_console()))
    except Refused as error:
        raise click.ClickException(str(error)) from None
    except httpx2.RequestError as error:
        reason = one_line(str(error) or type(error).__name__)
        raise click.ClickException(f"{printable(base)} does not answer: {reason}. Run the command again.") from None
    if stopped:
        sys.exit(INTERRUPTED)
    if ends[End.FAILED]:
        sys.exit(1)


def _password(file: TextIO | None, user: str) -> str:
    """Read from the file, else from the environment, else prompt at a terminal. ConfigurationError."""
    if file is not None:
        try:
            return file.read(MAX_INPUT_BYTES).rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigurationError("--password-file", "is not UTF-8") from None
    if password := os.environ.get(_PASSWORD):
        return password
    if not sys.stdin.isatty():
        raise ConfigurationError(_PASSWORD, "is not set; set it or pass --password-file")
    return str(click.prompt(f"Password of {printable(user)}", hide_input=True, err=True))


async def _fetch(
    http: httpx2.AsyncClient, api: ServiceApi, wanted: Wanted, *, folder: Path, at_once: int, console: Console
) -> tuple[Counter[End], bool]:
    """Download all; returns what became of them, and whether a signal ended it. Refused, RequestError, OSError."""
    ends = Counter[End]()
    async with http:
        with ExitStack() as stack:
            stop = stack.enter_context(stopped_by_signals(signal.SIGINT, signal.SIGTERM))
            downloads = Downloads(http, api, folder, stop=stop)
            async for page in api.pictures(wanted):
                for slot_id in {listed.slot_id for listed in page}:
                    if (folder / slot_id).is_dir():
                        remove_parts(folder / slot_id)
                await _page(downloads, page, ends, at_once=at_once, console=console)
                if stop.is_set():
                    break
    console.print(
        f"{ends[End.FETCHED]} downloaded, {ends[End.THERE]} already there, {ends[End.EXPIRED]} expired,"
        f" {ends[End.FAILED]} failed",
        soft_wrap=True,
    )
    return ends, stop.is_set()


async def _page(
    downloads: Downloads, page: list[Listed], ends: Counter[End], *, at_once: int, console: Console
) -> None:
    """Download the pictures of a page, so many at once. OSError."""
    room = asyncio.Semaphore(at_once)

    async def run(listed: Listed) -> None:
        async with room:
            end = await downloads.run(listed)
        ends[end] += 1
        if end is not End.THERE:
            console.print(f"{listed.name}: {end}", soft_wrap=True)

    try:
        async with asyncio.TaskGroup() as tasks:
            for listed in page:
                tasks.create_task(run(listed))
    except* OSError as errors:
        raise errors.exceptions[0] from None
