"""Which photos of a folder are written to their end.

Folders are looked at again and again: file events do not cross SMB shares and synchronised folders. A photo is ready
when two looks find it unchanged. One without its end marker may still be on its way, copied with its final size in
advance; it must stay unchanged for longer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from ....core.domain.media import MIME_EXTENSIONS

SUFFIXES = frozenset({*(f".{extension}" for extension in MIME_EXTENSIONS.values()), ".jpeg", ".jpe", ".heif"})
"""File name endings of photos, in lower case."""

STABLE_SECONDS = 0.5
"""How long a photo must stay unchanged."""

UNFINISHED_SECONDS = 10.0
"""How long a photo without its end marker must stay unchanged."""

_TAIL_BYTES = 4096
_HEAD_BYTES = 12


class _Look(msgspec.Struct, frozen=True):
    size_bytes: int
    modified_ns: int


class FolderScanner:
    """The photos of one folder, without its subfolders. Its methods block."""

    def __init__(self, folder: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._unchanged: dict[str, tuple[_Look, float]] = {}
        self._postponed: dict[str, float] = {}
        self.unready = 0

    def ready(self, *, busy: Collection[str], limit: int) -> list[str]:
        """Look at the folder and return at most `limit` names of photos that are ready, the oldest first. OSError.

        `busy` photos are left out. Afterwards `unready` is the number of the other photos that are not ready.
        """
        now = self._monotonic()
        looks = {name: look for name, look in self._photos().items() if name not in busy}
        for name in self._unchanged.keys() | self._postponed.keys():
            if name not in looks:
                self._unchanged.pop(name, None)
                self._postponed.pop(name, None)
        found: list[str] = []
        for name in sorted(looks, key=lambda name: (looks[name].modified_ns, name)):
            if self._is_stable(name, looks[name], now) and len(found) < limit and self._is_whole(name, now):
                found.append(name)
        self.unready = len(looks) - len(found)
        return found

    def postpone(self, name: str, seconds: float) -> None:
        """Leave a photo out for a while, such as one that another program has open."""
        self._postponed[name] = self._monotonic() + seconds

    def _photos(self) -> dict[str, _Look]:
        looks: dict[str, _Look] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not is_photo_name(entry.name):
                    continue
                try:
                    # Unlike that of the entry, this size is right on Windows while another program writes.
                    facts = os.stat(entry.path)
                    is_file = entry.is_file()
                except OSError:
                    continue  # gone, or not readable yet: the next look decides
                if is_file and facts.st_size:
                    looks[entry.name] = _Look(facts.st_size, facts.st_mtime_ns)
        return looks

    def _is_stable(self, name: str, look: _Look, now: float) -> bool:
        known = self._unchanged.get(name)
        if known is None or known[0] != look:
            self._unchanged[name] = (look, now)
            return False
        return now - known[1] >= STABLE_SECONDS and now >= self._postponed.get(name, now)

    def _is_whole(self, name: str, now: float) -> bool:
        try:
            return has_end(self._folder / name) or now - self._unchanged[name][1] >= UNFINISHED_SECONDS
        except OSError:
            return False  # another program has it open


def is_photo_name(name: str) -> bool:
    """Whether a file is to be sent: named like a photo, not hidden, not one that a program is still writing."""
    return not name.startswith((".", "~")) and os.path.splitext(name)[1].lower() in SUFFIXES


def has_end(path: Path) -> bool:
    """Whether a file ends as its type ends; True for types without an end marker. OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
    if head.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in tail
    if head.startswith(b"\x89PNG"):
        return b"IEND" in tail
    if head.startswith(b"RIFF") and len(head) == _HEAD_BYTES:
        return size >= int.from_bytes(head[4:8], "little") + 8
    return True
