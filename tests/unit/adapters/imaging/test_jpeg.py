"""What the structure of a JPEG proves, held against a decoder that goes through all of it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from photochanger.adapters.imaging import ImageTools
from photochanger.adapters.imaging.checked import ANY_SIZE, check
from photochanger.core.domain.errors import ImageTooLarge, UndecodableImage, UnsupportedMediaType
from photochanger.core.domain.media import ImageLimits, PictureNeeds
from PIL import Image

from tests.support import photos
from tests.support.picture_work import InProcess

SMALLER = PictureNeeds(("image/jpeg",), max_bytes=1_000_000, max_pixels=60 * 40)
"""Needs that make every photo of these tests be decoded at a fraction and encoded again."""

DAMAGES: list[Callable[[random.Random, bytearray], None]] = [
    lambda chance, data: data.__setitem__(chance.randrange(2, 700), chance.randrange(256)),
    lambda chance, data: data.__setitem__(chance.randrange(2, len(data)), chance.randrange(256)),
    lambda chance, data: data.__delitem__(slice(chance.randrange(2, len(data)), None)),
    lambda chance, data: data.__delitem__(slice(at := chance.randrange(2, len(data)), at + chance.randrange(1, 300))),
    lambda chance, data: data.__setitem__(
        slice(at := chance.randrange(2, len(data)), at + 200), chance.randbytes(chance.randrange(300))
    ),
]


def is_decodable(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


@pytest.mark.anyio
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("step", ["prepare", "verify"])
async def test_no_damaged_picture_passes_that_a_decoder_would_refuse(
    tmp_path: Path, options: dict[str, int], step: str
) -> None:
    whole = photos.encoded(photos.scene(180, 120), "JPEG", quality=85, **options)
    chance = random.Random(20)
    tool = ImageTools(InProcess())
    passed = refused = 0
    for number in range(150):
        data = bytearray(whole)
        DAMAGES[number % len(DAMAGES)](chance, data)
        path = tmp_path / "damaged.jpg"
        path.write_bytes(data)
        try:
            if step == "prepare":
                await tool.prepare(path, SMALLER)
            else:
                await tool.verify(bytes(data), limits=ImageLimits(max_pixels=1_000_000))
        except (UndecodableImage, UnsupportedMediaType, ImageTooLarge):
            refused += 1
        else:
            passed += 1
            assert is_decodable(bytes(data)), f"damage {number} of {options}"
    assert passed > 30
    assert refused > 30


def is_one_whole_scan(data: bytes) -> bool:
    return check(data, ANY_SIZE).is_one_scan


def test_a_camera_s_jpeg_is_one_whole_scan() -> None:
    assert is_one_whole_scan(photos.jpeg(64, 48))
    assert is_one_whole_scan(photos.encoded(photos.scene(64, 48).convert("L"), "JPEG"))


def test_a_progressive_jpeg_has_more_scans() -> None:
    assert not is_one_whole_scan(photos.encoded(photos.scene(64, 48), "JPEG", progressive=True))


@pytest.mark.parametrize("kept", [1, 2, 3, 10, 300])
def test_the_start_of_a_jpeg_is_none(kept: int) -> None:
    with pytest.raises((UndecodableImage, UnsupportedMediaType)):
        check(photos.jpeg(64, 48)[:kept], ANY_SIZE)


@pytest.mark.parametrize("kept", [800, -2, -1])
def test_a_jpeg_without_its_end_is_not_whole(kept: int) -> None:
    assert not is_one_whole_scan(photos.jpeg(64, 48)[:kept])
