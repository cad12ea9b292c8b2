"""The structure of a JPEG (ITU-T T.81, annex B), walked segment by segment without decoding a pixel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

START = b"\xff\xd8"
END = b"\xff\xd9"

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SOS, _EOI = 0xDA, 0xD9
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}
_SEQUENTIAL_FRAMES = {0xC0, 0xC1}


class Segment(NamedTuple):
    """Bytes `start` to `end`: a marker and what belongs to it, a scan with the coded pixels that follow it."""

    marker: int
    start: int
    end: int


def segments(data: bytes) -> Iterator[Segment]:
    """Everything between the start and the end marker. ValueError where the structure breaks off."""
    at = len(START)
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if len(data) < at + 2 or data[at] != 0xFF:
            raise ValueError("no JPEG marker where one is due")
        marker = data[at + 1]
        if marker == _EOI:
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise ValueError("a JPEG segment is longer than the file")
        if marker == _SOS:
            found = _NEXT_MARKER.search(data, end)
            if found is None:
                raise ValueError("the JPEG has no end marker")
            end = found.start()
        yield Segment(marker, at, end)
        at = end


def is_one_whole_scan(data: bytes) -> bool:
    """Whether the end is there and all pixels are in one sequential Huffman-coded scan, as cameras write it.

    Whatever the coded pixels of such a picture hold, they decode to something: a decoder that takes its first rows
    takes it whole.
    """
    components_in_frame = 0
    scans = 0
    try:
        for marker, start, _ in segments(data):
            if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES:
                if marker not in _SEQUENTIAL_FRAMES:
                    return False
                components_in_frame = data[start + 9]
            elif marker == _SOS:
                scans += 1
                if scans > 1 or data[start + 4] != components_in_frame:
                    return False
    except (ValueError, IndexError):
        return False
    return scans == 1
