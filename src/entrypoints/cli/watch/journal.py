"""What became of the photos of a folder, in a file that survives restarts: `.photochanger.jsonl`, a line per change."""

from __future__ import annotations

import enum
import os
import threading
from datetime import datetime
from pathlib import Path

import msgspec

from ....core.domain.errors import ConfigurationError

JOURNAL_NAME = ".photochanger.jsonl"

MAX_PHOTOS = 100_000
"""How many photos are remembered, the newest."""

_MAX_LINE_BYTES = 8192


class PhotoState(enum.StrEnum):
    """How far a photo has come. SAVING: its picture has arrived and gets the name `output`."""

    SAVING = "saving"
    DONE = "done"
    FAILED = "failed"


class PhotoRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the journal: a photo by the SHA-256 of its bytes, and the name that it had."""

    sha256: str
    name: str
    state: PhotoState
    at: datetime
    output: str | None = None
    job_id: str | None = None


class Journal:
    """The latest record of each photo. Its methods block."""

    def __init__(self, path: Path) -> None:
        """Read the journal, and write it again without what is outdated. ConfigurationError if that is impossible."""
        self._path = path
        self._writing = threading.Lock()
        self._records: dict[str, PhotoRecord] = {}
        try:
            self._read()
            self._rewrite()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ConfigurationError("FOLDER", f"{path} cannot be read and written ({reason})") from error

    def get(self, sha256: str) -> PhotoRecord | None:
        """Return the latest record of a photo."""
        return self._records.get(sha256)

    def record(self, record: PhotoRecord) -> None:
        """Add a record; it is durable afterwards. From any thread. OSError."""
        with self._writing:
            with self._path.open("ab") as file:
                file.write(_line(record))
                file.flush()
                os.fsync(file.fileno())
            self._records[record.sha256] = record

    def _read(self) -> None:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            while line := file.readline(_MAX_LINE_BYTES):
                try:
                    record = msgspec.json.decode(line, type=PhotoRecord)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue  # the line of a write that a crash cut short; the photo is still in the folder
                self._records.pop(record.sha256, None)
                self._records[record.sha256] = record
                if len(self._records) > MAX_PHOTOS:
                    del self._records[next(iter(self._records))]

    def _rewrite(self) -> None:
        part = self._path.with_name(f"{self._path.name}.part")
        with part.open("wb") as file:
            file.writelines(_line(record) for record in self._records.values())
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)


def _line(record: PhotoRecord) -> bytes:
    return msgspec.json.encode(record) + b"\n"
