"""Pictures in other colour spaces than sRGB, made by published matrices, and how far colours are from each other."""

from __future__ import annotations

import array
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pillow_heif
import pyvips
from PIL import Image

from tests.support import photos

CASES = Path(__file__).parents[1] / "cases"

_TOP = 65_535

_PATCHES = [(15 + 50 * number, 15, 30, 30) for number in range(7)]
"""Inside the seven patches of the cases."""

FROM_SRGB = {
    "AdobeRGB": [[0.71512, 0.28488, 0.0], [0.0, 1.0, 0.0], [0.0, 0.04117, 0.95883]],
    "P3": [[0.82246, 0.17754, 0.0], [0.03319, 0.96681, 0.0], [0.01708, 0.07240, 0.91052]],
    "BT2020": [[0.62740, 0.32928, 0.04331], [0.06910, 0.91954, 0.01136], [0.01639, 0.08801, 0.89560]],
    "sRGB": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
}
"""Linear sRGB to linear values of other spaces, both with the white D65."""


def srgb_to_light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def light_to_srgb(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def light_to_pq(light: float) -> float:
    """ST 2084, with paper white at 203 nits."""
    power = (light * 203 / 10_000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def gamma(exponent: float) -> Callable[[float], float]:
    return lambda light: float(light ** (1 / exponent))


def in_space(picture: Image.Image, space: str, encode: Callable[[float], float], *, deep: bool = False) -> pyvips.Image:
    """An sRGB picture with the values of another space, of 8 or 16 bits."""
    image = pyvips.Image.new_from_memory(picture.tobytes(), *picture.size, 3, "uchar")
    light = image.maplut(_table([srgb_to_light(value / 255) * _TOP for value in range(256)]))
    light = light.recomb(FROM_SRGB[space]).rint().cast("ushort")
    top = _TOP if deep else 255
    values = light.maplut(_table([encode(value / _TOP) * top for value in range(_TOP + 1)])).rint()
    return values.cast("ushort" if deep else "uchar").copy(interpretation="rgb16" if deep else "srgb").copy_memory()


def pillow(image: pyvips.Image) -> Image.Image:
    """An 8-bit RGB image of libvips for Pillow."""
    return Image.frombytes("RGB", (image.width, image.height), bytes(image.write_to_memory()))


def heic(image: pyvips.Image, *, primaries: int, transfer: int, quality: int = 95) -> bytes:
    """A HEIC whose colour space is given by numbers; 10 bits a channel for an image of 16."""
    mode = "RGB;16" if image.format == "ushort" else "RGB"
    source = pillow_heif.from_bytes(mode, (image.width, image.height), bytes(image.write_to_memory()))
    out = io.BytesIO()
    source.save(out, quality=quality, chroma=444)
    data = bytearray(out.getvalue())
    at = data.find(b"colrnclx") + 8
    assert at >= 8
    data[at : at + 4] = primaries.to_bytes(2, "big") + transfer.to_bytes(2, "big")
    return bytes(data)


def png_with(image: pyvips.Image, *chunks: bytes) -> bytes:
    """A PNG with these chunks in front of its pixels."""
    plain = bytes(image.pngsave_buffer(keep="none"))
    return plain[:33] + b"".join(chunks) + plain[33:]


def decoded(data: bytes) -> pyvips.Image:
    """A JPEG, PNG or WebP as a reader shows it that ignores profiles."""
    image = pyvips.Image.new_from_buffer(data, "")
    assert image.format == "uchar"
    image = image[:3] if image.bands > 3 else image
    return image.copy(interpretation="srgb").copy_memory()


@cache
def reference() -> pyvips.Image:
    """The photo that the cases were made of."""
    return decoded((CASES / "reference_base.jpg").read_bytes())


def patches_differ(image: pyvips.Image) -> float:
    """CIEDE2000 of the worst of the patches of a case to the reference."""
    assert (image.width, image.height) == (600, 400)
    return max(_mean_patch(image, box).dE00(_mean_patch(reference(), box)).max() for box in _PATCHES)


def differ(image: pyvips.Image, other: pyvips.Image) -> float:
    """The mean of CIEDE2000 between two pictures of one size, seen from where single pixels are not."""
    assert (image.width, image.height) == (other.width, other.height)
    first, second = (one.colourspace("lab").gaussblur(2) for one in (image, other))
    return float(first.dE00(second).avg())


def vips(picture: Image.Image) -> pyvips.Image:
    return pyvips.Image.new_from_memory(picture.tobytes(), *picture.size, 3, "uchar").copy(interpretation="srgb")


def colourful(width: int = 240, height: int = 160) -> Image.Image:
    """A scene with patches of full colours in it."""
    picture = photos.scene(width, height, grain=0).copy()
    colours = [
        (200, 20, 20),
        (20, 160, 20),
        (20, 20, 200),
        (230, 200, 20),
        (20, 180, 180),
        (235, 235, 235),
        (30, 30, 30),
    ]
    side = width // 8
    for number, colour in enumerate(colours):
        picture.paste(colour, (number * side, 0, number * side + side, height // 4))
    return picture


def _mean_patch(image: pyvips.Image, box: tuple[int, int, int, int]) -> pyvips.Image:
    lab = image.crop(*box).colourspace("lab")
    return lab.shrink(box[2], box[3])


def _table(values: list[float]) -> pyvips.Image:
    return pyvips.Image.new_from_memory(array.array("f", values).tobytes(), len(values), 1, 1, "float")
