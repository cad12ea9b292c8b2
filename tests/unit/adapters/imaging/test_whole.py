"""Pictures with pixels missing are refused on every way; those of which only the end marker is missing are not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from photochanger.adapters.imaging import operations
from photochanger.core.domain.errors import UndecodableImage, UnsupportedMediaType
from photochanger.core.domain.media import ImageLimits, PictureNeeds
from PIL import Image

from tests.support import photos

LIMITS = ImageLimits(max_pixels=100_000_000)
ANYTHING = PictureNeeds(("image/jpeg", "image/png", "image/webp"), 64 * 2**20, 100_000_000)
SMALLER = [PictureNeeds((mime,), 2**20, 9_000) for mime in ("image/jpeg", "image/png", "image/webp")]
TINY = PictureNeeds(("image/jpeg",), 900, 9_000)
"""So few bytes that the first attempt is not the last."""

JPEGS: dict[str, tuple[int, int, dict[str, object]]] = {
    "plain": (176, 144, {}),
    "4:4:4": (200, 150, {"subsampling": 0}),
    "grey": (161, 121, {"mode": "L"}),
    "CMYK": (160, 128, {"mode": "CMYK"}),
    "restart markers": (320, 200, {"restart_marker_rows": 1}),
    "optimised": (400, 300, {"optimize": True}),
    "turned": (160, 120, {"exif": photos.located_exif(6)}),
    "progressive": (176, 144, {"progressive": True}),
    "progressive, turned": (200, 150, {"progressive": True, "exif": photos.located_exif(8)}),
}


def jpeg(name: str) -> bytes:
    width, height, options = JPEGS[name]
    scene = photos.scene(width, height).convert(str(options.get("mode", "RGB")))
    return photos.encoded(scene, "JPEG", quality=88, **{key: value for key, value in options.items() if key != "mode"})


def ways(folder: Path, data: bytes) -> dict[str, Callable[[], object]]:
    path = folder / "photo"
    path.write_bytes(data)
    return {
        "as it is": lambda: operations.prepare(path, ANYTHING),
        **{needs.mimes[0]: lambda needs=needs: operations.prepare(path, needs) for needs in SMALLER},
        "with a preview": lambda: operations.prepare_with_preview(path, ANYTHING),
        "smaller, with a preview": lambda: operations.prepare_with_preview(path, SMALLER[0]),
        "few bytes": lambda: operations.prepare(path, TINY),
        "result": lambda: operations.normalise(data, LIMITS),
        "result without a preview": lambda: operations.normalise(data, LIMITS, with_preview=False),
        "preview": lambda: operations.preview(data),
    }


def accepted(folder: Path, data: bytes) -> list[str]:
    """The ways on which a picture comes out."""
    found = []
    for name, way in ways(folder, data).items():
        try:
            way()
            found.append(name)
        except UndecodableImage:
            pass
    return found


def cut(data: bytes, share: float) -> bytes:
    """The first part of the pixels, with the end marker behind it."""
    start = data.index(b"\xff\xda") + 14
    return data[: start + int((len(data) - 2 - start) * share)].rstrip(b"\xff") + b"\xff\xd9"


@pytest.mark.parametrize("name", JPEGS)
def test_a_whole_jpeg_comes_out_everywhere_also_without_its_end_marker(tmp_path: Path, name: str) -> None:
    data = jpeg(name)
    for whole in (data, data[:-1], data[:-2], b"\n" + data, b"\r\n" + data[:-2]):
        assert accepted(tmp_path, whole) == [*ways(tmp_path, whole)]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
@pytest.mark.parametrize("name", JPEGS)
def test_a_part_of_the_pixels_with_an_end_marker_comes_out_nowhere(tmp_path: Path, name: str, share: float) -> None:
    assert accepted(tmp_path, cut(jpeg(name), share)) == []


@pytest.mark.parametrize("name", JPEGS)
def test_fewer_rows_than_announced_come_out_nowhere(tmp_path: Path, name: str) -> None:
    data = bytearray(jpeg(name))
    at = max(data.find(b"\xff\xc0\0"), data.find(b"\xff\xc2\0")) + 5
    height = int.from_bytes(data[at : at + 2], "big")
    data[at : at + 2] = (height + 32).to_bytes(2, "big")
    assert accepted(tmp_path, bytes(data)) == []


def test_lost_stretches_between_restart_markers_come_out_nowhere(tmp_path: Path) -> None:
    data = jpeg("restart markers")
    third, sixth = data.index(b"\xff\xd3"), data.index(b"\xff\xd6")
    assert accepted(tmp_path, data[:third] + data[sixth:]) == []


@pytest.mark.parametrize("scans", range(1, 10))
def test_a_progressive_jpeg_without_its_last_scans_comes_out_nowhere(tmp_path: Path, scans: int) -> None:
    data = jpeg("progressive")
    starts = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    assert len(starts) == 10
    before = data.rfind(b"\xff\xc4", 0, starts[scans])  # the tables of the scan
    for end in (b"", b"\xff\xd9"):
        assert accepted(tmp_path, data[:before] + end) == []


def without(data: bytes, marker: bytes) -> bytes:
    """A JPEG without the segments of a marker."""
    while (at := data.find(marker + b"\0")) >= 0:
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
    return data


def test_a_jpeg_without_its_quantisation_comes_out_nowhere(tmp_path: Path) -> None:
    assert accepted(tmp_path, without(jpeg("plain"), b"\xff\xdb")) == []


def test_a_jpeg_without_the_usual_codes_gets_them(tmp_path: Path) -> None:
    bare = without(jpeg("plain"), b"\xff\xc4")
    assert accepted(tmp_path, bare) == [*ways(tmp_path, bare)]
    for picture in (operations.prepare(_stored(tmp_path, bare), ANYTHING), operations.normalise(bare, LIMITS).picture):
        assert b"\xff\xc4" in picture.data


def test_a_wrong_bit_costs_no_photo(tmp_path: Path) -> None:
    data, chance = jpeg("plain"), random.Random(4)
    start = data.index(b"\xff\xda") + 14
    out = 0
    for _ in range(25):
        damaged = bytearray(data)
        at = chance.randrange(start, len(data) - 2)
        damaged[at] ^= 1 << chance.randrange(7)
        out += "as it is" in accepted(tmp_path, bytes(damaged))
    assert out >= 18


def test_a_grey_picture_is_no_missing_one(tmp_path: Path) -> None:
    for data in (
        photos.encoded(Image.new("RGB", (320, 240), (128, 128, 128)), "JPEG"),
        photos.encoded(Image.new("L", (90, 60), 128), "JPEG"),
    ):
        assert len(accepted(tmp_path, data)) >= 6


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize("share", [0.2, 0.7, 0.98])
def test_a_part_of_any_other_picture_comes_out_nowhere(tmp_path: Path, kind: str, share: float) -> None:
    assert accepted(tmp_path, photos.truncated(photos.located(kind), share=share)) == []


def test_a_png_with_fewer_rows_than_announced_comes_out_nowhere(tmp_path: Path) -> None:
    data = photos.encoded(photos.scene(64, 48), "PNG")
    taller = photos.png_chunk(b"IHDR", data[16:20] + (80).to_bytes(4, "big") + data[24:29])
    assert accepted(tmp_path, data[:8] + taller + data[33:]) == []


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B", "an AVIF picture"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiafMA1B", "an AVIF picture"),
        (b"\xff\x0a\xfa\x7f", "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"GIF89a", "a GIF picture"),
        (b"\nGIF87a", "a GIF picture"),
        (b"II*\0\x08\0\0\0", "a TIFF picture or a camera's raw file"),
        (b"MM\0*\0\0\0\x08", "a TIFF picture or a camera's raw file"),
        (b"BM\x36\x10\x0e\0", "a BMP picture"),
        (b"%PDF-1.7", "a PDF document"),
        (b"8BPS\0\x01", "a Photoshop document"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "an MP4 video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a QuickTime video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "a camera's raw file"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw file"),
        (b"RIFF\x24\0\0\0AVI LIST", "an AVI video"),
        (b"PK\x03\x04\x14\0", "a ZIP archive"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "an SVG or XML document"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
    ],
)
def test_an_error_names_the_type_that_came(tmp_path: Path, head: bytes, name: str) -> None:
    data = head + bytes(200)
    with pytest.raises(UnsupportedMediaType, match=f"^The file is {name}. Accepted are JPEG"):
        operations.prepare(_stored(tmp_path, data), ANYTHING)


def _stored(folder: Path, data: bytes) -> Path:
    (folder / "file").write_bytes(data)
    return folder / "file"
