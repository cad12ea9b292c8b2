"""The folders of a watch, and how photos and pictures get their places in them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from ....core.domain.errors import ConfigurationError
from ..send.client import Photo, SendResult
from ..send.target import prepare_output
from .files import free_names, place, remove_parts, rename_new, write_part
from .journal import Journal, PhotoRecord, PhotoState
from .sidecar import sidecar_of

DONE = "done"
FAILED = "failed"


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a photo has failed, as the file next to it."""

    photo: str
    code: str | None
    detail: str
    status: int | None
    job_id: str | None
    tries: int
    failed_at: datetime


class WatchFolders:
    """Watched folder, output, and what is known of each photo. Its methods block."""

    def __init__(self, folder: Path, output: Path, journal: Journal, *, now: Callable[[], datetime]) -> None:
        self.folder = folder
        self._output = output
        self._journal = journal
        self._now = now
        self._naming = threading.Lock()

    def is_done(self, sha256: str) -> bool:
        """Whether a photo with these bytes has its picture."""
        record = self._journal.get(sha256)
        return record is not None and record.state is PhotoState.DONE

    def save(self, photo: Photo, sha256: str, data: bytes, *, extension: str, job_id: str | None) -> Path:
        """Write the picture of a photo under the photo's name and return the file. OSError.

        Its name is noted before it gets it: after a crash between the two the same file is written again.
        """
        part = write_part(self._output, data)
        try:
            with self._naming:
                return self._place_picture(part, photo, sha256, suffix=f".{extension}", job_id=job_id)
        finally:
            part.unlink(missing_ok=True)

    def note_done(self, name: str, sha256: str) -> None:
        """Note that the picture of a photo is there. OSError."""
        known = self._journal.get(sha256)
        output, job_id = (None, None) if known is None else (known.output, known.job_id)
        self._note(name, sha256, PhotoState.DONE, output=output, job_id=job_id)

    def move_done(self, name: str) -> None:
        """Move a photo and its file of fields to `done`. OSError where another program has one open."""
        self._move(name, self.folder / DONE)

    def fail(self, name: str, sha256: str, sent: SendResult) -> None:
        """Move a photo to `failed`, with the reason next to it. OSError."""
        failed = self.folder / FAILED
        problem = _Problem(
            photo=name,
            code=sent.code,
            detail=sent.detail,
            status=sent.status,
            job_id=sent.job_id,
            tries=sent.tries,
            failed_at=self._now(),
        )
        self._note(name, sha256, PhotoState.FAILED, job_id=sent.job_id)
        moved = self._move(name, failed)
        part = write_part(failed, msgspec.json.format(msgspec.json.encode(problem)) + b"\n")
        place(part, failed, stem=f"{moved.name}.problem", suffix=".json")

    def _place_picture(self, part: Path, photo: Photo, sha256: str, *, suffix: str, job_id: str | None) -> Path:
        known = self._journal.get(sha256)
        if known is not None and known.output is not None and known.output.endswith(suffix):
            earlier = self._output / known.output
            part.replace(earlier)
            return earlier
        for target in free_names(self._output, stem=photo.path.stem, suffix=suffix):
            self._note(photo.path.name, sha256, PhotoState.SAVING, output=target.name, job_id=job_id)
            try:
                rename_new(part, target)
            except FileExistsError:
                continue
            return target
        raise AssertionError("unreachable")

    def _move(self, name: str, folder: Path) -> Path:
        photo = self.folder / name
        sidecar = sidecar_of(photo)
        moved = place(photo, folder, stem=photo.stem, suffix=photo.suffix)
        if sidecar is not None:
            place(sidecar, folder, stem=moved.stem, suffix=sidecar.suffix)
        return moved

    def _note(
        self,
        name: str,
        sha256: str,
        state: PhotoState,
        *,
        output: str | None = None,
        job_id: str | None = None,
    ) -> None:
        record = PhotoRecord(sha256=sha256, name=name, state=state, at=self._now(), output=output, job_id=job_id)
        self._journal.record(record)


def prepare_folders(folder: Path, output: Path) -> None:
    """Create what is missing, and delete temporary files of an earlier process. ConfigurationError."""
    if not folder.is_dir():
        raise ConfigurationError("FOLDER", f"{folder} is not a folder; create it first")
    if output.resolve() == folder.resolve():
        raise ConfigurationError(
            "--output", "must be another folder than the watched one: pictures would be sent again"
        )
    for made in (folder / DONE, folder / FAILED, output):
        prepare_output(made)
        try:
            remove_parts(made)
        except OSError as error:
            raise ConfigurationError("--output", f"{made}: {error.strerror or type(error).__name__}") from error
