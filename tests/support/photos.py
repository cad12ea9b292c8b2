"""Builders of test pictures: convincing photos of any size and type, and the broken and hostile ones.

Everything is rendered, and the same on each run. Photos have soft light, edges, texture and grain, so that codecs and
effects meet what they meet in life.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from pathlib import Path

import pillow_heif
import pyvips
from PIL import Image, ImageDraw, ImageFilter

GPS_MARK = "GPS-secret-place"
"""Written into the metadata of located photos: must be found nowhere in what leaves the machine."""

TEXT_AS_JPG = b"Dear camera, this is a letter and not a picture.\n" * 40


@lru_cache(maxsize=16)
def scene(width: int, height: int, *, grain: float = 4.0) -> Image.Image:
    """A landscape with sky, sun, hills and a figure, as RGB; do not change it, it is shared."""
    small_width, small_height = max(1, min(width, 600)), max(1, min(height, 600))
    sky = Image.linear_gradient("L").resize((small_width, small_height))
    picture = Image.merge("RGB", [sky.point(lambda v, k=k: int(k + (255 - k) * v / 255)) for k in (90, 140, 210)])
    draw = ImageDraw.Draw(picture)
    side = min(small_width, small_height)
    draw.ellipse((side * 0.1, side * 0.08, side * 0.3, side * 0.28), fill=(255, 236, 170))
    draw.polygon(
        [(0, small_height), (small_width * 0.35, small_height * 0.45), (small_width * 0.8, small_height)],
        fill=(60, 110, 70),
    )
    draw.polygon(
        [(small_width * 0.4, small_height), (small_width * 0.75, small_height * 0.55), (small_width, small_height)],
        fill=(110, 90, 60),
    )
    draw.ellipse(
        (small_width * 0.44, small_height * 0.3, small_width * 0.56, small_height * 0.3 + small_width * 0.12),
        fill=(224, 172, 140),
    )
    draw.rectangle((small_width * 0.42, small_height * 0.5, small_width * 0.58, small_height), fill=(170, 40, 50))
    picture = picture.filter(ImageFilter.GaussianBlur(0.6)).resize((width, height), Image.Resampling.BICUBIC)
    if not grain:
        return picture
    image = pyvips.Image.new_from_memory(picture.tobytes(), width, height, 3, "uchar")
    noisy = (image + pyvips.Image.gaussnoise(width, height, mean=0, sigma=grain, seed=5)).cast("uchar")
    return Image.frombytes("RGB", (width, height), noisy.write_to_memory())


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """A Pillow picture as the bytes of a file."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def jpeg(width: int = 640, height: int = 480, *, quality: int = 90, grain: float = 4.0) -> bytes:
    """A JPEG of 300 dpi, as results have it."""
    return encoded(scene(width, height, grain=grain), "JPEG", quality=quality, dpi=(300, 300))


def png(width: int = 320, height: int = 240) -> bytes:
    """A PNG of 300 dpi, as results have it."""
    return encoded(scene(width, height), "PNG", dpi=(300, 300))


def png_16bit(width: int = 320, height: int = 240) -> bytes:
    """A PNG with 16 bits to a colour."""
    image = pyvips.Image.new_from_memory(scene(width, height).tobytes(), width, height, 3, "uchar")
    deep = (image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    return bytes(deep.pngsave_buffer())


def webp(width: int = 320, height: int = 240) -> bytes:
    return encoded(scene(width, height), "WEBP", quality=85)


def heic(width: int = 320, height: int = 240) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(scene(width, height)).save(out, quality=80)
    return out.getvalue()


def located_exif(orientation: int | None = None) -> Image.Exif:
    """EXIF with a place, a camera, a text that can be searched for, and an orientation where one is given."""
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    exif[0x010F] = GPS_MARK
    exif[0x8825] = {1: "N", 2: (28.0, 34.0, 24.0), 3: "W", 4: (80.0, 39.0, 3.0), 29: GPS_MARK}
    return exif


def located(kind: str, width: int = 320, height: int = 240, *, orientation: int | None = None) -> bytes:
    """A photo of a Pillow format name with a place in its EXIF, and in XMP or text where the format has it."""
    exif = located_exif(orientation)
    if kind == "HEIF":
        out = io.BytesIO()
        pillow_heif.from_pillow(scene(width, height)).save(out, quality=80, exif=exif.tobytes())
        return out.getvalue()
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{GPS_MARK}</x:xmpmeta>".encode()
    if kind == "PNG":
        return _with_png_text(encoded(scene(width, height), "PNG", exif=exif))
    options: dict[str, object] = {"quality": 90, "exif": exif, "xmp": xmp}
    if kind == "JPEG":
        options["comment"] = GPS_MARK.encode()
    return encoded(scene(width, height), kind, **options)


def corners(width: int = 64, height: int = 48) -> Image.Image:
    """Four quarters: red, green above blue, white. A wrong turn shows other colours in the corners."""
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill=(230, 20, 20))
    draw.rectangle((width // 2, 0, width, height // 2 - 1), fill=(20, 200, 20))
    draw.rectangle((0, height // 2, width // 2 - 1, height), fill=(20, 20, 230))
    draw.rectangle((width // 2, height // 2, width, height), fill=(245, 245, 245))
    return picture


def stored_turned(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera stores them so that EXIF `orientation` brings back the upright picture."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    return upright if undo is None else upright.transpose(undo)


def animated(kind: str, *, frames: int, side: int = 24) -> bytes:
    """An animated WebP or PNG whose first frame is red."""
    colours = [(220, 20, 20), *[(20, 40 + index * 80 % 200, 220) for index in range(frames - 1)]]
    pictures = [Image.new("RGB", (side, side), colour) for colour in colours]
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=50, lossless=True)


def noise(width: int, height: int) -> bytes:
    """A PNG of pure noise, which nothing compresses."""
    bands = [pyvips.Image.gaussnoise(width, height, mean=128, sigma=80, seed=seed) for seed in (1, 2, 3)]
    image = bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb")
    return bytes(image.pngsave_buffer(compression=1))


def one_colour_png(width: int = 20_000, height: int = 20_000) -> bytes:
    """A small file that decodes to 400 million pixels (1 bit each as stored)."""
    row = b"\0" + b"\xff" * ((width + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def truncated(data: bytes, *, share: float = 0.6) -> bytes:
    """The first part of a file, as a broken upload or a full card leaves it."""
    return data[: int(len(data) * share)]


def store(path: Path, data: bytes) -> None:
    """Put a picture into a file."""
    path.write_bytes(data)


def load(path: Path) -> bytes:
    """What is in a file."""
    return path.read_bytes()


def pixels(data: bytes) -> Image.Image:
    """Any of these pictures decoded by Pillow, as RGB and as stored."""
    if data[4:8] == b"ftyp":
        return pillow_heif.open_heif(io.BytesIO(data)).to_pillow().convert("RGB")
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")


def density(picture: Image.Image) -> tuple[int, int]:
    """Dots per inch of an opened JPEG, PNG or WebP."""
    exif = picture.getexif()
    x, y = (exif[0x011A], exif[0x011B]) if picture.format == "WEBP" else picture.info["dpi"]
    return round(x), round(y)


def require_no_metadata(data: bytes) -> None:
    """Fail where Pillow finds more in a JPEG, PNG or WebP than pixels and a density."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        exif = dict(picture.getexif())
        if picture.format == "WEBP":
            assert exif in ({}, {0x011A: 300.0, 0x011B: 300.0, 0x0128: 2})
        else:
            assert exif == {}
        found = set(picture.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "transparency"}
        found -= {"progressive", "progression", "loop", "background", "timestamp", "duration", "exif", "interlace"}
        assert found == set()


def _with_png_text(data: bytes) -> bytes:
    """A text chunk before the end of a PNG."""
    end = data.rindex(b"IEND") - 4
    return data[:end] + png_chunk(b"tEXt", b"Location\0" + GPS_MARK.encode()) + data[end:]
