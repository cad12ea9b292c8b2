"""What `photochanger send` does: sends photos from any machine to a service, several at once, and shows what came back.

Needs a URL and the ingest password, and nothing of what a server needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

import msgspec
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..core.domain.errors import ConfigurationError
from ..core.domain.media import MIME_EXTENSIONS
from .send_answers import printable
from .sending import (
    Outcome,
    Photo,
    ProgressListener,
    SendResult,
    SendTarget,
    client,
    send_photo,
)

_SUFFIXES = {*MIME_EXTENSIONS.values(), "jpeg", "jpe"}
"""The endings of what is taken from a folder; a file that is named is sent whatever it is called."""

_SLOT = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_OWN_FIELDS = ("password", "fileToUpload", "file")
_WHY_IN_VAIN = {
    Outcome.PROBLEM: "Not sent, as the password was refused.",
    Outcome.NOT_SAVED: "Not sent, as no picture can be saved.",
}
_WIDTH = 1000
"""Of the table in characters where it goes to no terminal: links are not broken there."""


class Totals(msgspec.Struct, frozen=True):
    """All photos together; times in milliseconds, None where none came back."""

    photos: int
    pictures: int
    fallbacks: int
    bytes_in: int
    bytes_out: int
    milliseconds: int
    median: int | None
    slowest: int | None


class Report(msgspec.Struct, frozen=True):
    """What became of all photos, in the order in which they were named."""

    photos: tuple[SendResult, ...]
    totals: Totals
    interrupted: bool = False

    @property
    def all_pictures(self) -> bool:
        return self.totals.pictures == self.totals.photos


class _Display(ProgressListener, Protocol):
    """Shows photos on their way."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def ends(self, photo: Photo, sent: SendResult) -> None:
        """Nothing more happens to this photo."""


def target_of(url: str, slot_id: str, *, password: str, fields: Iterable[str], silence_seconds: float) -> SendTarget:
    """Where to send to. `fields` are written as name=value. ConfigurationError."""
    if not password or not _encodable(password):
        raise ConfigurationError("the password", "it is empty, or no text")
    if not _SLOT.match(slot_id):
        raise ConfigurationError("--slot", f"{printable(slot_id[:64])!r} is no name of a slot")
    named = dict(_field(text) for text in fields)
    address = f"{_base(url)}/ingest/{slot_id}"
    return SendTarget(address=address, password=password, fields=named, silence_seconds=silence_seconds)


def photos_of(paths: Iterable[Path], *, repeat: int = 1) -> list[Photo]:
    """The photos to send: files as named, of a folder the pictures in it; all `repeat` times. ConfigurationError."""
    found = [(path, printable(str(path))) for named in paths for path in _files(named)]
    marks = [""] if repeat == 1 else [f" #{number}" for number in range(1, repeat + 1)]
    sendings = [(path, name + mark) for mark in marks for path, name in found]
    return [Photo(path, name, number) for number, (path, name) in enumerate(sendings)]


async def send(target: SendTarget, photos: list[Photo], *, output: Path, at_once: int, console: Console) -> Report:
    """Send all photos and save the pictures in `output`, showing on `console` how they fare. ConfigurationError.

    Once the password is refused, the photos that wait are not sent: ten wrong ones would lock this address out. Nor are
    they once a picture cannot be saved (the disk is full, the folder gone): each costs something. Nor after the first
    Ctrl-C, which ends what is under way and lets the report be written; a second one ends all.
    """
    await asyncio.to_thread(_prepare, output)
    started = time.perf_counter()
    waiting = iter(photos)
    sent: dict[int, SendResult] = {}
    in_vain: list[SendResult] = []
    async with client(target, at_once=at_once) as http:
        with _stopped_by_an_interrupt() as stop, _display(console, len(photos)) as display:

            async def work() -> None:
                for photo in waiting:
                    if in_vain:
                        told = SendResult(
                            photo=photo.name,
                            outcome=Outcome.NOT_SENT,
                            code=in_vain[0].code,
                            detail=_WHY_IN_VAIN[in_vain[0].outcome],
                        )
                    elif stop.is_set():
                        told = SendResult(
                            photo=photo.name, outcome=Outcome.NOT_SENT, code="interrupted", detail="Not sent any more."
                        )
                    else:
                        told = await send_photo(http, target, photo, output=output, watch=display, stop=stop)
                    if told.status == 401 or told.outcome is Outcome.NOT_SAVED:
                        in_vain.append(told)
                    display.ends(photo, told)
                    sent[photo.number] = told

            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(photos))):
                    group.create_task(work())
    whole = round((time.perf_counter() - started) * 1000)
    ordered = tuple(sent[photo.number] for photo in photos)
    return Report(ordered, _totals(ordered, whole), interrupted=stop.is_set())


@contextlib.contextmanager
def _stopped_by_an_interrupt() -> Iterator[asyncio.Event]:
    """An event that the first Ctrl-C sets. Where Ctrl-C is ignored (in the background of a shell) it stays so."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        with contextlib.suppress(NotImplementedError):  # not on Windows: there Ctrl-C ends the command at once
            loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)


def json_text(report: Report) -> str:
    """For scripts."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def show(report: Report, console: Console) -> None:
    """For people: a table, what was wrong line by line, and the totals."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("photo", "outcome", "status"):
        table.add_column(heading, overflow="fold")
    for heading in ("bytes in", "bytes out", "ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("public link", "file"):
        table.add_column(heading, overflow="fold")
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
            console.print(f"{sent.photo}: {_trouble(sent)}", soft_wrap=True)
    console.print(_said_of_totals(report.totals), soft_wrap=True)


def console_for(*, errors_only: bool) -> Console:
    """Standard output; with `errors_only` standard error, so that standard output is left to JSON."""
    console = Console(stderr=errors_only, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH
    return console


class _Lines:
    """A line for whatever happens: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        """Lines need no end."""

    def starts(self, photo: Photo, size_bytes: int) -> None:
        self._say(f"{photo.name}: {size_bytes:,} bytes on their way")

    def advances(self, photo: Photo, sent_bytes: int) -> None:
        """Too much for lines."""

    def pauses(self, photo: Photo, seconds: float, code: str) -> None:
        self._say(f"{photo.name}: {code}, again in {seconds:g} s")

    def ends(self, photo: Photo, sent: SendResult) -> None:
        self._say(f"{photo.name}: {_said_of(sent)}")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


class _Rows(_Lines):
    """A row for each photo that is on its way, moving; a line above them for each that has ended."""

    def __init__(self, console: Console, photos: int) -> None:
        super().__init__(console)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[doing]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._all = self._progress.add_task("all photos", total=photos, doing=f"0 of {photos}")
        self._photos = photos
        self._ended = 0
        self._rows: dict[int, tuple[TaskID, int]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._progress.stop()

    def starts(self, photo: Photo, size_bytes: int) -> None:
        self._forget(photo)
        self._rows[photo.number] = (self._progress.add_task(photo.name, total=size_bytes, doing="sent 0 %"), size_bytes)

    def advances(self, photo: Photo, sent_bytes: int) -> None:
        row, size = self._rows[photo.number]
        doing = "waits for the picture" if sent_bytes >= size else f"sent {sent_bytes * 100 // size} %"
        self._progress.update(row, completed=sent_bytes, doing=doing)

    def pauses(self, photo: Photo, seconds: float, code: str) -> None:
        self._progress.update(self._rows[photo.number][0], doing=f"{code}, again in {seconds:g} s")

    def ends(self, photo: Photo, sent: SendResult) -> None:
        self._forget(photo)
        self._ended += 1
        self._progress.update(self._all, completed=self._ended, doing=f"{self._ended} of {self._photos}")
        super().ends(photo, sent)

    def _forget(self, photo: Photo) -> None:
        if photo.number in self._rows:
            self._progress.remove_task(self._rows.pop(photo.number)[0])


def _display(console: Console, photos: int) -> _Display:
    return _Rows(console, photos) if console.is_terminal else _Lines(console)


def _base(url: str) -> str:
    """The URL of the service without a slash at its end; a prefix of its path is kept. ConfigurationError."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError("--url", "write it as http://host:8000 or https://host/prefix")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError("--url", "a user name, a password, a query or a fragment does not belong there")
    return url.rstrip("/")


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not _FIELD.match(name) or not _encodable(value):
        raise ConfigurationError("--field", "write it as name=value; names have letters, digits and underscores")
    if name in _OWN_FIELDS:
        raise ConfigurationError("--field", f"{name} has its own place in the form")
    return name, value


def _encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if path.exists() and not path.is_file():
            raise ConfigurationError("PHOTO", f"{printable(str(path))} is neither a file nor a folder")
        yield path
        return
    inside = sorted(file for file in path.iterdir() if file.suffix.lower().removeprefix(".") in _SUFFIXES)
    files = [file for file in inside if file.is_file()]
    if not files:
        raise ConfigurationError("PHOTO", f"there are no pictures in {printable(str(path))}")
    yield from files


def _prepare(output: Path) -> None:
    """Make the folder and see that it takes files, before any photo costs anything. ConfigurationError."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output, prefix=".photochanger-"):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        told = f"{printable(str(output))} takes no files ({reason}); nothing was sent"
        raise ConfigurationError("--output", told) from error


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


def _said_of(sent: SendResult) -> str:
    if not sent.is_picture:
        return _trouble(sent)
    what = "picture" if sent.outcome is Outcome.PICTURE else "picture of the failure answer"
    return f"{what}, {sent.bytes_out:,} bytes in {sent.milliseconds:,} ms, {sent.file}"


def _trouble(sent: SendResult) -> str:
    status = "" if sent.status is None else f"{sent.status} "
    tries = f" ({sent.tries} tries)" if sent.tries > 1 else ""
    return f"{status}{sent.code}: {sent.detail}{tries}"


def _said_of_totals(totals: Totals) -> str:
    fallbacks = f" ({totals.fallbacks} by the failure answer)" if totals.fallbacks else ""
    times = "" if totals.median is None else f"; median {totals.median:,} ms, slowest {totals.slowest:,} ms"
    return (
        f"{totals.pictures} of {totals.photos} photos came back as pictures{fallbacks}; {totals.bytes_in:,} bytes in, "
        f"{totals.bytes_out:,} bytes out, {totals.milliseconds / 1000:,.1f} s in all{times}"
    )
