"""The structure of a JPEG (ITU-T T.81, annex B), walked segment by segment without decoding a pixel."""

from __future__ import annotations

import re

from ..bounds import (
    MAX_JPEG_FILL_BYTES,
    MAX_JPEG_SCANS,
    MAX_JPEG_SEGMENTS,
    MAX_PROFILE_BYTES,
    SCANNED_BYTES_PER_STEP,
    too_many,
    undecodable,
)
from .cursor import Cursor, Waiting
from .exif import orientation_of
from .findings import Findings

_MIME = "image/jpeg"

_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL_FRAMES = frozenset({0xC0, 0xC1})
_TEM, _SOI, _EOI, _SOS, _COM = 0x01, 0xD8, 0xD9, 0xDA, 0xFE
_WITHOUT_LENGTH = frozenset({_TEM, *range(0xD0, 0xD8)})
_WITH_LENGTH = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xDE), *range(0xE0, 0xF0), _COM}) - {0xC8}
"""DHT, DQT, SOF and so on: the segments that decoders know. At any other marker they give up."""

_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_SCAN = b"\xff\xda"
_SLICE_BYTES = 64 * 1024
_SLICE_BUDGET = 500
"""As much as is searched at once, since the interpreter runs nothing else meanwhile, and what it counts of a budget."""


def parse(cursor: Cursor, found: Findings) -> Waiting[None]:
    """Walk to the end marker. Raises UndecodableImage, ImageTooLarge.

    Nothing is raised where the structure breaks off behind the first pixels: whether that matters, only decoding tells.
    """
    cursor.skip(2)
    found.keep(0, 2)
    yield from _Walk(cursor, found).run()


class _Walk:
    def __init__(self, cursor: Cursor, found: Findings) -> None:
        self._cursor = cursor
        self._found = found
        self._segments = 0
        self._fill_bytes = 0
        self._scans = 0
        self._components = 0
        self._is_sequential = False
        self._exif_seen = False
        self._profile: list[tuple[int, int]] = []
        self._is_one_scan = False

    def run(self) -> Waiting[None]:
        while (marker := (yield from self._marker())) is not None:
            start = self._cursor.position - 2
            self._segments += 1
            self._found.steps += 1
            if self._segments > MAX_JPEG_SEGMENTS:
                raise too_many(_MIME, "segments", MAX_JPEG_SEGMENTS)
            if marker == _EOI:
                if not self._scans:
                    raise undecodable(_MIME)
                self._found.keep(start, start + 2)
                self._found.is_whole = True
                self._found.is_one_scan = self._is_one_scan and self._scans == 1
                break
            if marker in _WITHOUT_LENGTH:
                continue
            if marker not in _WITH_LENGTH or not (yield from self._segment(marker, start)):
                yield from self._broken(start)
                break
        else:
            yield from self._broken(self._cursor.position)
        self._keep_profile()

    def _marker(self) -> Waiting[int | None]:
        """The marker that is due here; None where there is none."""
        pair = yield from self._cursor.take(2)
        while pair == b"\xff\xff":
            self._fill_bytes += 1
            if self._fill_bytes > MAX_JPEG_FILL_BYTES:
                raise too_many(_MIME, "bytes between its segments", MAX_JPEG_FILL_BYTES)
            pair = b"\xff" + (yield from self._cursor.take(1))
        if len(pair) == 2 and pair[0] == 0xFF and pair[1] != 0:
            return pair[1]
        self._cursor.skip(-len(pair))
        return None

    def _segment(self, marker: int, start: int) -> Waiting[bool]:
        """Walk over a segment, and the coded pixels behind it; False where it is not whole."""
        length = int.from_bytes((yield from self._cursor.take(2)), "big")
        end = start + 2 + length
        if length < 2 or (self._cursor.is_final and end > self._cursor.size):
            return False
        start_of_data = yield from self._cursor.take(min(length - 2, 16))
        if marker in _SOF_MARKERS:
            if self._components or len(start_of_data) < 6:
                return False
            self._found.found_size(int.from_bytes(start_of_data[3:5], "big"), int.from_bytes(start_of_data[1:3], "big"))
            self._components = start_of_data[5]
            self._is_sequential = marker in _SEQUENTIAL_FRAMES
        elif marker == 0xE1 and start_of_data.startswith(b"Exif\0\0") and not self._exif_seen:
            self._exif_seen = True
            rest = yield from self._cursor.take(length - 2 - len(start_of_data))
            self._found.orientation = orientation_of(start_of_data + rest)
        self._cursor.skip_to(end)
        if marker == _SOS:
            return (yield from self._scan(start, components=start_of_data[0] if start_of_data else 0))
        if 0xE0 <= marker <= 0xEF or marker == _COM:
            if marker == 0xE2 and start_of_data.startswith(b"ICC_PROFILE\0"):
                self._profile.append((start, end))
            elif _is_needed(marker, start_of_data):
                self._found.keep(start, end)
        else:
            self._found.keep(start, end)
        return True

    def _scan(self, start: int, *, components: int) -> Waiting[bool]:
        """Walk over the coded pixels of a scan to the next marker."""
        if not self._components:
            return False
        self._scans += 1
        if self._scans > MAX_JPEG_SCANS:
            raise too_many(_MIME, "scans", MAX_JPEG_SCANS)
        if self._scans == 1 and self._is_sequential and components == self._components:
            self._is_one_scan = self._found.is_enough = True
            if not self._cursor.is_final:
                yield
        if not (yield from self._find_end_of_scan()):
            return False
        self._found.keep(start, self._cursor.position)
        return True

    def _find_end_of_scan(self) -> Waiting[bool]:
        cursor = self._cursor
        while True:
            until = min(len(cursor.block), cursor.at + _SLICE_BYTES)
            match = _END_OF_SCAN.search(cursor.block, cursor.at, until)
            if match is not None:
                cursor.at = match.start()
                return True
            self._found.steps += 1 + max(until - cursor.at, 0) // SCANNED_BYTES_PER_STEP
            cursor.at = max(cursor.at, until - 1)  # the last byte may be the first one of a marker
            if until == len(cursor.block):
                if cursor.is_final:
                    return False
                yield from cursor.more()
                continue
            cursor.budget -= _SLICE_BUDGET
            if cursor.budget < 0 and not cursor.is_final:
                yield

    def _broken(self, start: int) -> Waiting[None]:
        """Note that no structure was found from here on. UndecodableImage where there can be no pixels."""
        if not self._scans:
            raise undecodable(_MIME)
        self._found.is_enough = True
        while not self._cursor.is_final:  # over bytes in memory it is; of an upload, this much was enough
            yield from self._cursor.more()
        cursor = self._cursor
        # Whatever a decoder makes of the rest, it finds no more scans than there are markers of such.
        at = max(start - (cursor.size - len(cursor.block)), 0)
        while at < len(cursor.block) and self._scans <= MAX_JPEG_SCANS:
            self._scans += cursor.block.count(_SCAN, at, at + _SLICE_BYTES + 1)
            self._found.steps += _SLICE_BYTES // SCANNED_BYTES_PER_STEP
            at += _SLICE_BYTES
        if self._scans > MAX_JPEG_SCANS:
            raise too_many(_MIME, "scans", MAX_JPEG_SCANS)
        self._found.keep(start, cursor.size)

    def _keep_profile(self) -> None:
        """Keep the colour profile, unless it is too large to be one."""
        if sum(end - start for start, end in self._profile) <= MAX_PROFILE_BYTES:
            self._found.kept.extend(self._profile)


def _is_needed(marker: int, start_of_data: bytes) -> bool:
    """Whether the pixels look different without an application's segment, apart from the colour profile."""
    needed = {0xE0: b"JFIF\0", 0xEE: b"Adobe"}.get(marker)
    return needed is not None and start_of_data.startswith(needed)
