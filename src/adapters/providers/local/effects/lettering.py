"""Captions: text as a mask, in a font that comes with the package, so that it looks the same on every machine."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pyvips
from PIL import Image, ImageDraw, ImageFont

_FONT = Path(__file__).with_name("Roboto-Medium.ttf")
_SMALLEST = 6


def caption_mask(text: str, *, width: int, height: int) -> pyvips.Image:
    """One line of text, centred in a box of this size and made smaller where it would not fit: 0 to 1, one band."""
    # Line breaks, tabs and other characters without a picture would come out as boxes.
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    size = max(_SMALLEST, int(height * 0.62))
    needed = _font(size).getlength(line)
    if needed > width * 0.94:
        size = max(_SMALLEST, int(size * width * 0.94 / needed))
    canvas = Image.new("L", (width, height))
    ImageDraw.Draw(canvas).text((width / 2, height / 2), line, fill=255, font=_font(size), anchor="mm")
    return pyvips.Image.new_from_memory(canvas.tobytes(), width, height, 1, "uchar").cast("float") / 255


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT), size)
