"""`photochanger send`: send photos from any machine to a service, several at once, and save what comes back.

Needs a URL and the ingest password, and nothing that a server needs.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import click
import msgspec
from rich.console import Console

from ....core.domain.errors import ConfigurationError
from ....core.domain.media import MIME_EXTENSIONS
from .. import INTERRUPTED
from ..runtime import run_async
from ..tables import json_text, make_console, make_table
from .client import Outcome, Photo, SendResult, SendTarget, make_client, saved_by_job, send_photo
from .progress import failure_text, make_display
from .response import printable
from .target import ingest_password, make_target, prepare_output, stopped_by_signals

_SUFFIXES = {*MIME_EXTENSIONS.values(), "jpeg", "jpe"}
"""File name endings of the pictures in a folder; a file that is named itself is sent whatever its ending."""

_WHY_NOT_SENT = {
    Outcome.PROBLEM: "Not sent, because the password was refused.",
    Outcome.NOT_SAVED: "Not sent, because pictures cannot be saved.",
}
_WIDTH = 1000
"""Columns of the table where it goes to no terminal, so that links are not broken."""


class Totals(msgspec.Struct, frozen=True):
    """Figures of all photos; times in milliseconds, None where no picture came back."""

    photos: int
    pictures: int
    fallbacks: int
    bytes_in: int
    bytes_out: int
    milliseconds: int
    median: int | None
    slowest: int | None


class Report(msgspec.Struct, frozen=True):
    """The results of all photos, in the order in which they were named."""

    photos: tuple[SendResult, ...]
    totals: Totals
    interrupted: bool = False

    @property
    def all_pictures(self) -> bool:
        return self.totals.pictures == self.totals.photos


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...", type=click.Path(path_type=Path))
@click.option("--slot", required=True, help="Slot that processes the photos, such as slot-001.")
@click.option("--url", required=True, help="Address of the service, such as http://host:8000.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("pictures"),
    show_default=True,
    help="Folder for the pictures.",
)
@click.option("--at-once", type=click.IntRange(1, 64), default=2, show_default=True, help="Photos sent concurrently.")
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Times to send each.")
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output and progress to standard error.")
def send(
    photos: tuple[Path, ...],
    slot: str,
    url: str,
    output: Path,
    at_once: int,
    repeat: int,
    fields: tuple[str, ...],
    password_file: TextIO | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Send photos to a service as a camera does, and save the pictures that come back.

    PHOTO is a file, or a folder of pictures. The ingest password is read from --password-file or
    PHOTOCHANGER_INGEST_PASSWORD, or prompted for; never from an argument, which other users of the machine could see.
    The exit code is 0 only if every photo came back as a picture, and 130 after Ctrl-C, which keeps what came back.
    """
    chosen = photos_of(photos, repeat=repeat)
    password = ingest_password(password_file)
    target = make_target(url, slot, password=password, fields=fields, timeout_seconds=timeout)
    console = make_console(width=_WIDTH, stderr=as_json)
    report = run_async(send_all(target, chosen, output=output, at_once=at_once, console=console))
    if as_json:
        click.echo(json_text(report))
    else:
        show(report, console)
    if report.interrupted:
        sys.exit(INTERRUPTED)
    if not report.all_pictures:
        sys.exit(1)


def photos_of(paths: Iterable[Path], *, repeat: int = 1) -> list[Photo]:
    """The photos to send: named files, and the pictures of named folders; all `repeat` times. ConfigurationError."""
    found = [(path, printable(str(path))) for named in paths for path in _files(named)]
    marks = [""] if repeat == 1 else [f" #{number}" for number in range(1, repeat + 1)]
    sendings = [(path, name + mark) for mark in marks for path, name in found]
    return [Photo(path, name, number) for number, (path, name) in enumerate(sendings)]


async def send_all(target: SendTarget, photos: list[Photo], *, output: Path, at_once: int, console: Console) -> Report:
    """Send all photos, save the pictures in `output`, and show the progress on `console`. ConfigurationError.

    The remaining photos are not sent once the password is refused (ten wrong ones would lock this address out), once a
    picture cannot be saved (each costs something), or after the first Ctrl-C, which also stops photos in progress but
    still produces the report. A second Ctrl-C ends the command.
    """
    await asyncio.to_thread(prepare_output, output)
    started = time.perf_counter()
    waiting = iter(photos)
    results: dict[int, SendResult] = {}
    fatal: list[SendResult] = []
    save = saved_by_job(output)
    async with make_client(target, at_once=at_once) as http:
        with stopped_by_signals(signal.SIGINT) as stop, make_display(console, len(photos)) as display:

            async def work() -> None:
                for photo in waiting:
                    if fatal:
                        result = _not_sent(photo, str(fatal[0].code), _WHY_NOT_SENT[fatal[0].outcome])
                    elif stop.is_set():
                        result = _not_sent(photo, "interrupted", "Not sent.")
                    else:
                        result = await send_photo(http, target, photo, save=save, progress=display, stop=stop)
                    if result.status == 401 or result.outcome is Outcome.NOT_SAVED:
                        fatal.append(result)
                    display.ends(photo, result)
                    results[photo.number] = result

            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(photos))):
                    group.create_task(work())
    total = round((time.perf_counter() - started) * 1000)
    ordered = tuple(results[photo.number] for photo in photos)
    return Report(ordered, _totals(ordered, total), interrupted=stop.is_set())


def _not_sent(photo: Photo, code: str, detail: str) -> SendResult:
    return SendResult(photo=photo.name, outcome=Outcome.NOT_SENT, code=code, detail=detail)


def show(report: Report, console: Console) -> None:
    """Print a table of all photos, the reason of each failure, and the totals."""
    headings = ("photo", "outcome", "status", "bytes in", "bytes out", "ms", "public link", "file")
    table = make_table(*headings, numbers=("bytes in", "bytes out", "ms"))
    for sent in report.photos:
        table.add_row(
            sent.photo,
            sent.outcome.replace("_", " "),
            " ".join(str(part) for part in (sent.status, sent.code) if part is not None) or "-",
            f"{sent.bytes_in:,}",
            f"{sent.bytes_out:,}" if sent.bytes_out else "-",
            "-" if sent.milliseconds is None else f"{sent.milliseconds:,}",
            sent.link or "-",
            sent.file or "-",
        )
    console.print(table)
    for sent in report.photos:
        if not sent.is_picture:
            console.print(f"{sent.photo}: {failure_text(sent)}", soft_wrap=True)
    console.print(_totals_text(report.totals), soft_wrap=True)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if path.exists() and not path.is_file():
            raise ConfigurationError("PHOTO", f"{printable(str(path))} is neither a file nor a folder")
        yield path
        return
    inside = sorted(file for file in path.iterdir() if file.suffix.lower().removeprefix(".") in _SUFFIXES)
    files = [file for file in inside if file.is_file()]
    if not files:
        raise ConfigurationError("PHOTO", f"{printable(str(path))} contains no pictures")
    yield from files


def _totals(photos: tuple[SendResult, ...], milliseconds: int) -> Totals:
    outcomes = Counter(sent.outcome for sent in photos)
    times = [sent.milliseconds for sent in photos if sent.is_picture and sent.milliseconds is not None]
    return Totals(
        photos=len(photos),
        pictures=outcomes[Outcome.PICTURE] + outcomes[Outcome.FALLBACK],
        fallbacks=outcomes[Outcome.FALLBACK],
        bytes_in=sum(sent.bytes_in for sent in photos),
        bytes_out=sum(sent.bytes_out for sent in photos),
        milliseconds=milliseconds,
        median=round(statistics.median(times)) if times else None,
        slowest=max(times, default=None),
    )


def _totals_text(totals: Totals) -> str:
    fallbacks = f" ({totals.fallbacks} by the failure answer)" if totals.fallbacks else ""
    times = "" if totals.median is None else f"; median {totals.median:,} ms, slowest {totals.slowest:,} ms"
    return (
        f"{totals.pictures} of {totals.photos} photos came back as pictures{fallbacks}; {totals.bytes_in:,} bytes in, "
        f"{totals.bytes_out:,} bytes out, {totals.milliseconds / 1000:,.1f} s in total{times}"
    )
