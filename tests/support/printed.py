"""What Chromium has put on paper: the pages of its PDF files, as far as tests ask for them."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

_PAGE = re.compile(
    rb"/Type /Page\n(?:(?!endobj).)*?/MediaBox \[([^\]]+)\](?:(?!endobj).)*?/Contents (\d+) 0 R", re.DOTALL
)
_SCALE = re.compile(rb"([\d.]+) 0 0 -[\d.]+ 0 [\d.]+ cm")
_IMAGE = re.compile(rb"([\d.]+) 0 0 -([\d.]+) [\d.-]+ [\d.-]+ cm\n(?:(?!cm\n).)*?/X\d+ Do", re.DOTALL)
_MM_PER_POINT = 25.4 / 72


class PrintedPage(NamedTuple):
    """Sizes are width and height in millimetres."""

    size: tuple[float, float]
    pictures: list[tuple[float, float]]
    has_text: bool


def printed_pages(pdf: bytes) -> list[PrintedPage]:
    """The pages of a file that Chromium made."""
    return [_page(pdf, box, int(number)) for box, number in _PAGE.findall(pdf)]


def _page(pdf: bytes, box: bytes, contents: int) -> PrintedPage:
    left, bottom, right, top = map(float, box.split())
    drawn = re.search(rb"\n%d 0 obj\n<<[^>]*>>\s*stream\r?\n(.*?)endstream" % contents, pdf, re.DOTALL)
    assert drawn is not None
    text = zlib.decompress(drawn[1])
    scale = _SCALE.match(text)
    assert scale is not None, text[:200]
    unit = float(scale[1]) * _MM_PER_POINT
    pictures = [(float(width) * unit, float(height) * unit) for width, height in _IMAGE.findall(text)]
    size = ((right - left) * _MM_PER_POINT, (top - bottom) * _MM_PER_POINT)
    return PrintedPage(size, pictures, b"\nBT\n" in text)
