"""A file has one error, wherever it is found out: while it arrives, or when all of it is looked at."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from photochanger.adapters.imaging import heif_support
from photochanger.adapters.imaging.checked import check
from photochanger.adapters.imaging.streamed_header import StreamedHeader
from photochanger.core.domain.errors import ImageTooLarge, UndecodableImage, UnsupportedMediaType
from photochanger.core.domain.media import ImageLimits

from tests.support import hostile_pictures as hostile
from tests.support import photos
from tests.support.colours import CASES

LIMITS = ImageLimits(max_pixels=1_000_000, max_frames=8)
VALUES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\0\1\0\0")
PORT_ERRORS = (UndecodableImage, UnsupportedMediaType, ImageTooLarge)

TILES = hostile.heic(
    items={1: b"grid", 2: b"hvc1"},
    sizes={1: (90, 60), 2: (48, 32)},
    parts={1: [2, 2, 2, 2]},
    data={1: hostile.grid(2, 2, 90, 60)},
)


def damaged_in_two_ways() -> Iterator[tuple[str, bytes]]:
    """Files with a fault that shows early and one that only the whole file shows."""
    many = dict.fromkeys(range(3, 13), b"hvc1")
    yield (
        "many pictures, and tiles of another size",
        hostile.heic(
            items={1: b"grid", 2: b"hvc1", **many},
            sizes={1: (90, 60), 2: (48, 32)},
            parts={1: [2, 2, 2, 2]},
            data={1: hostile.grid(2, 2, 60, 60)},
        ),
    )
    large = hostile.heic(items={1: b"hvc1"}, sizes={1: (1_000, 1_001)})
    yield "too large, and cut off", large[:-1]
    yield "many pictures, and cut off", hostile.heic(items={1: b"hvc1", **many}, sizes={1: (48, 32)})[:-1]
    yield "of another codec, and cut off", hostile.heic(items={1: b"unci"}, sizes={1: (48, 32)})[:-1]
    yield (
        "too large, and bytes used over and over",
        hostile.heic(
            items={1: b"hvc1", **many},
            sizes={1: (48, 32)},
            more=hostile.full_box(
                b"iloc", b"\x44\0", hostile.numbers(1, 1, 0, 64) + hostile.numbers(8, 400, size=4) * 64
            ),
        ),
    )


def whole_files() -> Iterator[tuple[str, bytes]]:
    scene = photos.scene(48, 32)
    for kind in ("JPEG", "PNG", "WEBP", "HEIF"):
        yield kind, photos.located(kind, 48, 32)
    yield "progressive JPEG", photos.encoded(scene, "JPEG", progressive=True)
    yield "lossless WEBP", photos.encoded(scene, "WEBP", lossless=True)
    yield "animated WEBP", photos.animated("WEBP", frames=3)
    yield "animated PNG", photos.animated("PNG", frames=3)
    yield "HEIF in tiles", TILES
    yield "AVIF", photos.encoded(scene, "AVIF")
    for path in sorted(CASES.iterdir()):
        if path.suffix != ".md":
            yield path.name, path.read_bytes()


def damaged(data: bytes) -> Iterator[bytes]:
    """The file, cut off and changed at many places, most of them near its start; the same ones in each run."""
    choice = random.Random(len(data))
    places = sorted({*range(min(len(data), 80)), *(choice.randrange(min(len(data), 3_000)) for _ in range(80))})
    yield data
    for at in places:
        yield data[:at]
        yield data[:at] + choice.choice(VALUES) + data[at + 4 :]
        yield data[:at] + data[at + choice.randint(1, 40) :]
    for line_end in (b"\n", b"\r\n", b"\n\n", b"\r\n\n"):
        yield line_end + data
        yield line_end


def error_of(look: Callable[[], object]) -> tuple[str, str] | None:
    """The code and the words of what is raised."""
    try:
        look()
    except PORT_ERRORS as error:
        return error.code, error.detail
    return None


def arriving(data: bytes, size: int, *, takes_avif: bool) -> None:
    header = StreamedHeader(LIMITS, takes_avif=takes_avif)
    for at in range(0, len(data), size):
        list(header.feed(data[at : at + size]))
    header.facts()


def require_one_error(data: bytes, *, takes_avif: bool = False) -> tuple[str, str] | None:
    """That of the whole file. A file that arrives is not looked at to its end: it may pass, with that error later."""
    whole = error_of(lambda: check(data, LIMITS, takes_avif=takes_avif))
    for size in (97, 1_000, len(data) or 1):
        early = error_of(lambda size=size: arriving(data, size, takes_avif=takes_avif))  # type: ignore[misc]
        assert early in (None, whole), f"{data[:40]!r}, {len(data)} bytes in pieces of {size}"
    return whole


@pytest.mark.parametrize(("name", "data"), list(whole_files()), ids=lambda each: each if isinstance(each, str) else "")
def test_a_damaged_file_has_one_error(name: str, data: bytes) -> None:
    errors = {require_one_error(each, takes_avif=name == "AVIF") for each in damaged(data)}
    assert len(errors) > 2


@pytest.mark.parametrize(
    ("name", "data"), list(damaged_in_two_ways()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_file_with_two_faults_has_one_error(name: str, data: bytes) -> None:
    error = require_one_error(data)
    assert error is not None
    assert error == error_of(lambda: arriving(data, 97, takes_avif=False)), "it shows while the file arrives"


@pytest.mark.parametrize("data", [TILES, TILES[:-1], TILES[:40], hostile.FTYP], ids=["whole", "cut", "start", "brand"])
def test_without_the_decoder_every_heic_has_the_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(heif_support, "find_spec", lambda name: None)
    error = require_one_error(data)
    assert error is not None
    assert 'extra "heif"' in error[1]
