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

ANYTHING = PictureNeeds(("image/jpeg",), max_bytes=1_000_000, max_pixels=1_000_000)
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
@pytest.mark.parametrize("step", ["prepare", "prepare smaller", "normalise"])
async def test_what_comes_out_of_a_damaged_picture_is_taken_by_another_decoder(
    tmp_path: Path, options: dict[str, int], step: str
) -> None:
    whole = photos.encoded(photos.scene(180, 120), "JPEG", quality=85, **options)
    chance = random.Random(20)
    tool = ImageTools(InProcess())
    passed = refused = 0
    needs = SMALLER if step == "prepare smaller" else ANYTHING
    for number in range(150):
        data = bytearray(whole)
        DAMAGES[number % len(DAMAGES)](chance, data)
        path = tmp_path / "damaged.jpg"
        path.write_bytes(data)
        try:
            if step != "normalise":
                picture = await tool.prepare(path, needs)
            else:
                picture = (await tool.normalise(bytes(data), limits=ImageLimits(max_pixels=1_000_000))).picture
        except (UndecodableImage, UnsupportedMediaType, ImageTooLarge):
            refused += 1
        else:
            passed += 1
            assert is_decodable(picture.data), f"damage {number} of {options}"
    assert passed > 30
    assert refused > 30


def tolerates_damage(data: bytes) -> bool:
    return check(data, ANY_SIZE).tolerates_damage


def test_a_camera_s_jpeg_is_one_whole_scan() -> None:
    assert tolerates_damage(photos.jpeg(64, 48))
    assert tolerates_damage(photos.encoded(photos.scene(64, 48).convert("L"), "JPEG"))


def test_a_progressive_jpeg_has_more_scans() -> None:
    assert not tolerates_damage(photos.encoded(photos.scene(64, 48), "JPEG", progressive=True))


@pytest.mark.parametrize("kept", [1, 2, 3, 10, 300])
def test_the_start_of_a_jpeg_is_none(kept: int) -> None:
    with pytest.raises((UndecodableImage, UnsupportedMediaType)):
        check(photos.jpeg(64, 48)[:kept], ANY_SIZE)


@pytest.mark.parametrize("kept", [800, -2, -1])
def test_damage_is_not_tolerated_in_a_jpeg_without_its_end(kept: int) -> None:
    picture = check(photos.jpeg(64, 48)[:kept], ANY_SIZE)
    assert not picture.tolerates_damage
    assert picture.data.endswith(b"\xff\xd9")
