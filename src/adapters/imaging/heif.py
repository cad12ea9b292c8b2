"""HEIC/HEIF by libheif, for pictures that were checked."""

from __future__ import annotations

import io

import pyvips

from .checked import CheckedPicture

_BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_INTERPRETATIONS = {
    ("uchar", False): "b-w",
    ("uchar", True): "srgb",
    ("ushort", False): "grey16",
    ("ushort", True): "rgb16",
}


def open_heif(picture: CheckedPicture) -> pyvips.Image:
    """Decode a HEIC/HEIF picture into memory, upright; HDR with 16 bits a channel, anything else with 8.

    Raises ValueError, EOFError, RuntimeError, SyntaxError or OSError for a damaged file.
    """
    import pillow_heif

    is_hdr = picture.colour is not None and picture.colour.is_hdr
    opened = pillow_heif.open_heif(io.BytesIO(picture.data), convert_hdr_to_8bit=not is_hdr)
    mode, _, depth = opened.mode.partition(";")
    form = "ushort" if depth == "16" else "uchar"
    bands = _BANDS.get(mode)
    if bands is None:
        with opened.to_pillow() as decoded:
            pixels = decoded.convert("RGBA")
        return _labelled(pyvips.Image.new_from_memory(pixels.tobytes(), *pixels.size, 4, "uchar"))
    width, height = opened.size
    pixel_bytes = bands * (2 if form == "ushort" else 1)
    data, stride = opened.data, opened.stride
    if stride % pixel_bytes:
        data = b"".join(data[row * stride : row * stride + width * pixel_bytes] for row in range(height))
        stride = width * pixel_bytes
    # Rows may end in unused bytes: these are pixels of a wider picture, which is cut.
    image = pyvips.Image.new_from_memory(data, stride // pixel_bytes, height, bands, form)
    return _labelled(image if image.width == width else image.crop(0, 0, width, height))


def _labelled(image: pyvips.Image) -> pyvips.Image:
    return image.copy(interpretation=_INTERPRETATIONS[image.format, image.bands > 2])
