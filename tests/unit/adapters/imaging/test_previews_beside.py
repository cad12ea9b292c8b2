"""Previews that are made beside a picture, from the pixels that are decoded for it: they never cost the picture."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
import pyvips
from photochanger.adapters.imaging import operations
from photochanger.adapters.imaging.children import Content
from photochanger.adapters.imaging.picture_tasks import Made, made_picture, made_preview
from photochanger.core.domain.errors import UndecodableImage
from photochanger.core.domain.media import PREVIEW_MAX_BYTES, ImageLimits, Picture, PictureNeeds
from PIL import Image, ImageDraw

from tests.support import photos

pytestmark = pytest.mark.anyio

LIMITS = ImageLimits(max_pixels=100_000_000)
ANYTHING = PictureNeeds(("image/jpeg", "image/png", "image/webp"), 64 * 2**20, 100_000_000)
SMALLER = PictureNeeds(("image/jpeg",), 2**20, 100_000)
KINDS = ("JPEG", "PNG", "WEBP", "HEIF")


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_that_fails_does_not_cost_the_picture(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: pyvips.Image) -> NoReturn:
        raise pyvips.Error("no memory")

    data = photos.located(kind, 640, 480)
    photo = tmp_path / "photo"
    photo.write_bytes(data)
    ways: list[Any] = [
        lambda: operations.prepare_with_preview(photo, ANYTHING),
        lambda: operations.prepare_with_preview(photo, SMALLER),
        lambda: operations.normalise(data, LIMITS),
    ]
    whole = [way().picture for way in ways]
    monkeypatch.setattr(operations, "encode_preview", fail)
    monkeypatch.setattr(operations, "_MAX_KEPT_PIXELS", 0)
    assert [(made.picture, made.preview()) for made in (way() for way in ways)] == [(each, None) for each in whole]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_not_kept_in_memory_has_the_same_preview(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(photos.located(kind, 1_000, 750, orientation=None if kind == "HEIF" else 6))
    kept = operations.prepare_with_preview(photo, ANYTHING)
    monkeypatch.setattr(operations, "_MAX_KEPT_PIXELS", 1_000)
    streamed = operations.prepare_with_preview(photo, ANYTHING)
    assert streamed.picture == kept.picture
    small, large = kept.preview(), streamed.preview()
    assert small is not None
    assert large is not None
    assert photos.pixels(small).size == photos.pixels(large).size


def test_transparent_pixels_leave_no_dark_rim_in_a_preview() -> None:
    disc = Image.new("RGBA", (1_401, 1_001))
    ImageDraw.Draw(disc).ellipse((150, 150, 1_200, 850), fill=(250, 250, 250, 255))
    preview = operations.normalise(photos.encoded(disc, "PNG"), LIMITS).preview()
    assert preview is not None
    with Image.open(io.BytesIO(preview)) as opened:
        red, _, _, alpha = (band.tobytes() for band in opened.convert("RGBA").split())
    assert set(alpha) >= {0, 255}
    assert min(light for light, share in zip(red, alpha, strict=True) if share > 60) > 225


def answer(made: Made, *contents: bytes, later: asyncio.Future[bytes | None] | None = None) -> Content:
    return Content(msgspec.msgpack.encode(made), list(contents), later)


async def following(preview: bytes | None) -> asyncio.Future[bytes | None]:
    later: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
    later.set_result(preview)
    return later


async def test_an_answer_has_its_picture_and_its_preview_follows() -> None:
    new = made_picture(answer(Made("image/jpeg", 3, 2, is_new=True), b"new", later=await following(b"small")))
    assert (new.picture, await new.preview) == (Picture(b"new", "image/jpeg", 3, 2), b"small")
    same = made_picture(answer(Made("image/jpeg", 3, 2)), was=b"old")
    assert (same.picture, await same.preview) == (Picture(b"old", "image/jpeg", 3, 2), None)
    assert made_preview(answer(Made(is_preview=True), b"small")) == b"small"


def test_an_answer_without_what_it_announces_is_none() -> None:
    """A hostile picture may speak for its process."""
    broken = [
        answer(Made(is_new=True)),
        answer(Made(is_new=True), b"one", b"two"),
        answer(Made(is_preview=True)),
        answer(Made(is_new=True, is_preview=True), b"one", b"two"),
        answer(Made()),
        Content(b"\xc1", []),
    ]
    for each in broken:
        with pytest.raises(UndecodableImage):
            made_picture(each)
        with pytest.raises(UndecodableImage):
            made_preview(each)


async def test_a_preview_beyond_its_bounds_is_left_out() -> None:
    large = bytes(PREVIEW_MAX_BYTES + 1)
    previewed = made_picture(answer(Made(is_new=True), b"new", later=await following(large)))
    assert (previewed.picture, await previewed.preview) == (Picture(b"new", "", 0, 0), None)
    with pytest.raises(UndecodableImage):
        made_preview(answer(Made(is_preview=True), large))
