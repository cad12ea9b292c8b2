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
from .exif import read_exif
from .findings import Findings
from .jpeg_scans import ScanCoverage

_MIME = "image/jpeg"

_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL_FRAMES = frozenset({0xC0, 0xC1})
_PROGRESSIVE_FRAMES = frozenset({0xC2, 0xCA})
_PLAIN_FRAMES = _SEQUENTIAL_FRAMES | {0xC2}
"""Those that every decoder knows, as it may not know arithmetic coding."""

_TEM, _DHT, _SOI, _EOI, _SOS, _COM = 0x01, 0xC4, 0xD8, 0xD9, 0xDA, 0xFE
_WITHOUT_LENGTH = frozenset({_TEM, *range(0xD0, 0xD8)})
_WITH_LENGTH = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xDE), *range(0xE0, 0xF0), _COM}) - {0xC8}
"""DHT, DQT, SOF and so on: the segments that decoders know. At any other marker they give up."""

_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_BITS = 8
_PROFILE_HEADER = 18
"""Marker, length, name, and the number of the part of a profile in a segment."""

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
        self._components = b""
        self._coverage: ScanCoverage | None = None
        self._is_sequential = False
        self._exif_seen = False
        self._jfif_seen = False
        self._codes_seen = False
        self._adobe: tuple[int, int] | None = None
        self._adobe_transform: int | None = None
        self._profile: list[tuple[int, int, int]] = []
        self._is_one_scan = False
        self._ends_in_scan = False

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
        self._found.lacks_pixels = self._coverage is None or not self._coverage.is_complete
        self._found.is_plain &= self._codes_seen  # not every decoder has the usual codes built in
        self._keep_profile()
        self._find_colour_model()

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
        is_cut = length < 2 or (self._cursor.is_final and end > self._cursor.size)
        if is_cut and marker not in _SOF_MARKERS:  # of a frame's header the size counts first, as in an upload
            return False
        start_of_data = yield from self._cursor.take(min(max(length - 2, 0), 18))
        if marker in _SOF_MARKERS:
            if self._components or len(start_of_data) < 6:
                return False
            self._frame(marker, start_of_data)
            if is_cut:
                return False
        elif marker == 0xE1 and start_of_data.startswith(b"Exif\0\0") and not self._exif_seen:
            self._exif_seen = True
            rest = yield from self._cursor.take(length - 2 - len(start_of_data))
            self._found.orientation, self._found.colour = read_exif(start_of_data + rest)
        self._cursor.skip_to(end)
        if marker == _SOS:
            return (yield from self._scan(start, start_of_data))
        if 0xE0 <= marker <= 0xEF or marker == _COM:
            self._application(marker, start, end, start_of_data)
        else:
            self._codes_seen |= marker == _DHT
            self._found.keep(start, end)
        return True

    def _frame(self, marker: int, header: bytes) -> None:
        """Note what the header of the frame says."""
        self._found.found_size(int.from_bytes(header[3:5], "big"), int.from_bytes(header[1:3], "big"))
        self._components = header[6 : 6 + 3 * max(header[5], 1) : 3] or bytes(1)
        self._is_sequential = marker in _SEQUENTIAL_FRAMES
        self._coverage = ScanCoverage(self._components, is_progressive=marker in _PROGRESSIVE_FRAMES)
        self._found.is_plain = header[0] == _BITS and marker in _PLAIN_FRAMES

    def _application(self, marker: int, start: int, end: int, start_of_data: bytes) -> None:
        """Note an application's segment; most say nothing about the pixels and are left out."""
        if marker == 0xE2 and start_of_data.startswith(b"ICC_PROFILE\0"):
            self._profile.append((start_of_data[12], start + _PROFILE_HEADER, end))
        elif marker == 0xE0 and start_of_data.startswith(b"JFIF\0"):
            self._jfif_seen = True
        elif marker == 0xEE and start_of_data.startswith(b"Adobe") and len(start_of_data) >= 12 and not self._adobe:
            self._adobe, self._adobe_transform = (start, end), start_of_data[11]

    def _scan(self, start: int, header: bytes) -> Waiting[bool]:
        """Walk over the coded pixels of a scan to the next marker."""
        if self._coverage is None:
            return False
        components = header[0] if header else 0
        self._coverage.add(header)
        self._scans += 1
        if self._scans > MAX_JPEG_SCANS:
            raise too_many(_MIME, "scans", MAX_JPEG_SCANS)
        if self._scans == 1 and self._is_sequential and components == len(self._components):
            self._is_one_scan = self._found.is_enough = True
            if not self._cursor.is_final:
                yield
        if not (yield from self._find_end_of_scan()):
            self._ends_in_scan = True
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
        self._found.is_plain &= self._ends_in_scan  # what comes behind may be too much for another decoder
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
        """Note the colour profile in the order of its parts, unless it is too large to be one."""
        if sum(end - start for _, start, end in self._profile) <= MAX_PROFILE_BYTES:
            self._found.profile = [(start, end) for _, start, end in sorted(self._profile)]

    def _find_colour_model(self) -> None:
        """Find out how a decoder takes the components: by a JFIF header, an Adobe segment, or their names."""
        count = len(self._components)
        if self._jfif_seen or count == 1:
            is_rgb = False
        elif self._adobe_transform is not None:
            is_rgb = self._adobe_transform == 0
        else:
            is_rgb = self._components == b"RGB"
        self._found.is_jfif = count == 1 or (count == 3 and not is_rgb)
        if not self._found.is_jfif:
            self._found.is_plain = False
            if self._adobe is not None:
                self._found.keep(*self._adobe)
