"""What is shown while photos are sent: moving rows on a terminal, one line per event elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from .client import Outcome, Photo, ProgressListener, SendResult


class Display(ProgressListener, Protocol):
    """A context manager that shows the progress of photos."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def ends(self, photo: Photo, sent: SendResult) -> None:
        """The photo is finished, successfully or not."""


def make_display(console: Console, photos: int | None) -> Display:
    """The display for this console. `photos`: their number in total; None where it is not known."""
    return _Rows(console, photos) if console.is_terminal else _Lines(console)


def failure_text(sent: SendResult) -> str:
    """Why a photo did not come back as a picture, in one line."""
    status = "" if sent.status is None else f"{sent.status} "
    tries = f" ({sent.tries} tries)" if sent.tries > 1 else ""
    return f"{status}{sent.code}: {sent.detail}{tries}"


class _Lines:
    """One line per event, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def starts(self, photo: Photo, size_bytes: int) -> None:
        self._print(f"{photo.name}: {size_bytes:,} bytes, sending")

    def advances(self, photo: Photo, sent_bytes: int) -> None:
        pass

    def pauses(self, photo: Photo, seconds: float, code: str) -> None:
        self._print(f"{photo.name}: {code}, retry in {seconds:g} s")

    def ends(self, photo: Photo, sent: SendResult) -> None:
        self._print(f"{photo.name}: {_result_text(sent)}")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


class _Rows(_Lines):
    """A moving row for each photo in progress, and above them a line for each that has ended."""

    def __init__(self, console: Console, photos: int | None) -> None:
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
        self._photos = photos
        self._ended = 0
        self._all = self._progress.add_task("all photos", total=photos, doing=self._ended_text())
        self._rows: dict[int, tuple[TaskID, int]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def starts(self, photo: Photo, size_bytes: int) -> None:
        self._forget(photo)
        self._rows[photo.number] = (self._progress.add_task(photo.name, total=size_bytes, doing="sent 0 %"), size_bytes)

    def advances(self, photo: Photo, sent_bytes: int) -> None:
        row, size = self._rows[photo.number]
        doing = "waiting for the picture" if sent_bytes >= size else f"sent {sent_bytes * 100 // size} %"
        self._progress.update(row, completed=sent_bytes, doing=doing)

    def pauses(self, photo: Photo, seconds: float, code: str) -> None:
        self._progress.update(self._rows[photo.number][0], doing=f"{code}, retry in {seconds:g} s")

    def ends(self, photo: Photo, sent: SendResult) -> None:
        self._forget(photo)
        self._ended += 1
        self._progress.update(self._all, completed=self._ended, doing=self._ended_text())
        super().ends(photo, sent)

    def _ended_text(self) -> str:
        return str(self._ended) if self._photos is None else f"{self._ended} of {self._photos}"

    def _forget(self, photo: Photo) -> None:
        if photo.number in self._rows:
            self._progress.remove_task(self._rows.pop(photo.number)[0])


def _result_text(sent: SendResult) -> str:
    if not sent.is_picture:
        return failure_text(sent)
    what = "picture" if sent.outcome is Outcome.PICTURE else "picture of the failure answer"
    return f"{what}, {sent.bytes_out:,} bytes in {sent.milliseconds:,} ms, {sent.file}"
