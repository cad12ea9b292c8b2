"""Hostile structures are refused at a bound that the error names, whether they arrive or are about to be decoded."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from photochanger.adapters.imaging.bounds import UPLOAD_STEPS
from photochanger.adapters.imaging.checked import check
from photochanger.adapters.imaging.streamed_header import StreamedHeader
from photochanger.adapters.imaging.structure import Cursor, Findings, parse, type_of, walk
from photochanger.core.domain.errors import ImageTooLarge, PhotoChangerError, UndecodableImage, UnsupportedMediaType
from photochanger.core.domain.media import ImageLimits

from tests.support import hostile_pictures as hostile
from tests.support import photos
from tests.support.hostile_pictures import box, full_box, numbers

LIMITS = ImageLimits(max_pixels=100_000_000)
CODED = {1: b"hvc1"}
SMALL = {1: (64, 48)}
TILES = {1: b"grid"} | dict.fromkeys(range(2, 6), b"hvc1")
TILED = {1: (128, 96)} | dict.fromkeys(range(2, 6), (64, 48))
PARTS = {1: [2, 3, 4, 5]}

REFUSED: dict[str, tuple[bytes, type[PhotoChangerError], str]] = {
    "png chunks": (hostile.png_chunks(100_000), UndecodableImage, "1000 chunks without pixels"),
    "png chunks of pixels": (hostile.png_chunks(100_000, b"IDAT"), UndecodableImage, "chunks of pixels"),
    "png chunks of frames": (hostile.png_chunks(100_000, b"fdAT"), UndecodableImage, "chunks of pixels"),
    "png frames": (hostile.png_with(photos.png_chunk(b"acTL", numbers(65, 0, size=4))), ImageTooLarge, "65 frames"),
    "png frames that it does not announce": (
        hostile.png_with(photos.png_chunk(b"fcTL", bytes(26)) * 65),
        ImageTooLarge,
        "65 frames",
    ),
    "png size": (hostile.png_of_size(2**31 - 1, 2**31 - 1), ImageTooLarge, "pixels"),
    "png without pixels": (hostile.png_of_size(0, 7), UndecodableImage, "damaged"),
    "png header twice": (hostile.png_with(photos.png(1, 1)[8:33]), UndecodableImage, "damaged"),
    "png chunk of 4 GB": (hostile.png_with(b"\xff\xff\xff\xffabCd"), UndecodableImage, "damaged"),
    "png palette of 2 MB": (hostile.png_with(photos.png_chunk(b"PLTE", bytes(2**21))), UndecodableImage, "damaged"),
    "jpeg segments": (hostile.jpeg_with(hostile.segment(0xEB, b"") * 50_000), UndecodableImage, "2000 segments"),
    "jpeg comments": (hostile.jpeg_with(hostile.segment(0xFE, b"") * 50_000), UndecodableImage, "2000 segments"),
    "jpeg markers without length": (hostile.jpeg_with(b"\xff\x01" * 50_000), UndecodableImage, "2000 segments"),
    "jpeg fill bytes": (hostile.jpeg_with(b"\xff" * 500_000), UndecodableImage, "4096 bytes between"),
    "jpeg tables behind a scan": (
        hostile.jpeg_scans(10)[:-2] + hostile.segment(0xDB, b"") * 50_000 + b"\xff\xd9",
        UndecodableImage,
        "2000 segments",
    ),
    "jpeg scans": (hostile.jpeg_scans(2_000), UndecodableImage, "100 scans"),
    "jpeg size": (hostile.jpeg_of_size(65_535, 65_535), ImageTooLarge, "65535x65535 = 4294836225 pixels"),
    "jpeg without rows": (hostile.jpeg_of_size(65_535, 0), UndecodableImage, "damaged"),
    "jpeg without a frame": (b"\xff\xd8" + hostile.segment(0xDA, bytes(10)) + bytes(99), UndecodableImage, "damaged"),
    "webp chunks": (
        hostile.riff(hostile.vp8x(32, 32), hostile.webp_pixels(), *[(b"abcd", b"")] * 50_000),
        UndecodableImage,
        "1000 chunks",
    ),
    "webp frames": (hostile.riff(hostile.vp8x(32, 32, 2), *[(b"ANMF", bytes(16))] * 65), ImageTooLarge, "65 frames"),
    "webp size": (hostile.riff(hostile.vp8x(2**24, 2**24)), ImageTooLarge, "pixels"),
    "webp header twice": (hostile.riff(*[hostile.vp8x(32, 32)] * 2), UndecodableImage, "damaged"),
    "webp chunk beyond its container": (
        hostile.riff(hostile.vp8x(32, 32))[:-18] + b"VP8X\xff\xff\xff\xff" + bytes(99),
        UndecodableImage,
        "damaged",
    ),
    "webp of another picture": (
        hostile.riff(hostile.vp8x(32, 32), (b"VP8L", b"\x2f" + b"\xff" * 9)),
        ImageTooLarge,
        "16384x16384",
    ),
    "heic size": (hostile.heic(items=CODED, sizes={1: (10_001, 10_000)}), ImageTooLarge, "10001x10000"),
    "heic thumbnail of 100 megapixels": (
        hostile.heic(items={1: b"hvc1", 2: b"hvc1"}, sizes={1: (64, 48), 2: (10_001, 10_000)}),
        ImageTooLarge,
        "10001x10000",
    ),
    "heic pictures": (
        hostile.heic(items=dict.fromkeys(range(1, 66), b"hvc1"), sizes=dict.fromkeys(range(1, 66), (64, 48))),
        ImageTooLarge,
        "65 frames",
    ),
    "heic boxes": (hostile.FTYP + box(b"free") * 50_000, UndecodableImage, "2000 boxes"),
    "heic items": (
        hostile.heic(items=dict.fromkeys(range(1, 60_000), b"hvc1"), sizes=SMALL),
        UndecodableImage,
        "2000 boxes",
    ),
    "heic table of contents": (
        hostile.heic(items=CODED, sizes=SMALL, more=box(b"free", bytes(9 * 2**20))),
        UndecodableImage,
        "8388608 bytes",
    ),
    "heic box beyond its container": (
        hostile.FTYP + full_box(b"meta", b"\0\0\xff\xffiinf" + bytes(64)),
        UndecodableImage,
        "damaged",
    ),
    "heic box of 16 EB": (
        hostile.FTYP + full_box(b"meta", b"\0\0\0\1iinf" + b"\xff" * 8 + bytes(64)),
        UndecodableImage,
        "damaged",
    ),
    "heic box of no length": (
        hostile.FTYP + full_box(b"meta", b"\0\0\0\4iinf" + bytes(64)),
        UndecodableImage,
        "damaged",
    ),
    "heic boxes in boxes": (
        hostile.FTYP + b"".join((2**20 - number * 8).to_bytes(4, "big") + b"meta" for number in range(2**17)),
        UndecodableImage,
        "damaged",
    ),
    "heic profile": (
        hostile.FTYP + full_box(b"meta", box(b"iprp", box(b"ipco", box(b"colr", b"prof", bytes(5 * 2**20))))),
        UndecodableImage,
        "4194304 bytes in its colour profile",
    ),
    "heic locations": (
        hostile.heic(items=CODED, sizes=SMALL, more=full_box(b"iloc", b"\0\0", numbers(1, 1, 0, 65_535))),
        UndecodableImage,
        "references",
    ),
    "heic associations": (
        hostile.heic(
            items=CODED, sizes=SMALL, more=box(b"iprp", full_box(b"ipma", numbers(2**32 - 1, size=4), bytes(2**20)))
        ),
        UndecodableImage,
        "references",
    ),
    "heic tiles": (
        hostile.heic(items=TILES, sizes=TILED, parts={1: [2] * 65_000}),
        UndecodableImage,
        "references",
    ),
    "heic tiles larger than the picture": (
        hostile.heic(items=TILES, sizes=TILED | {2: (8_000, 8_000)}, parts={1: [2] * 1_000}),
        UndecodableImage,
        "damaged",
    ),
    "heic tiles of tiles": (
        hostile.heic(items={1: b"grid", 2: b"grid"}, sizes={1: (64, 48), 2: (64, 48)}, parts={1: [2], 2: [1]}),
        UndecodableImage,
        "damaged",
    ),
    "heic made of itself": (
        hostile.heic(items={1: b"iden"}, sizes=SMALL, parts={1: [1]}),
        UndecodableImage,
        "damaged",
    ),
    "heic overlay": (hostile.heic(items={1: b"hvc1", 2: b"iovl"}, sizes=SMALL), UndecodableImage, "damaged"),
    "heic of another codec": (hostile.heic(items={1: b"unci"}, sizes=SMALL), UnsupportedMediaType, "'unci'"),
    "heic without a picture": (hostile.heic(items=CODED, sizes=SMALL, primary=2), UndecodableImage, "damaged"),
    "heic without a size": (hostile.heic(items=CODED, sizes={}), UndecodableImage, "damaged"),
}

REFUSED_BEFORE_DECODING: dict[str, tuple[bytes, type[PhotoChangerError], str]] = {
    "jpeg scans behind a whole one": (hostile.jpeg_scans(2_000, progressive=False), UndecodableImage, "100 scans"),
    "jpeg scans hidden behind a reserved marker": (
        hostile.jpeg_scans(10)[:-2] + b"\xff\x05\xff\xff" + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 200 + b"\xff\xd9",
        UndecodableImage,
        "100 scans",
    ),
    "heic tiles of another size": (
        hostile.heic(items=TILES, sizes=TILED, parts=PARTS, data={1: hostile.grid(2, 2, 60_000, 60_000)}),
        UndecodableImage,
        "damaged",
    ),
    "heic bytes used over and over": (
        hostile.heic(
            items=CODED,
            sizes=SMALL,
            more=full_box(b"iloc", b"\x44\0", numbers(1, 1, 0, 64) + numbers(8, 400, size=4) * 64),
        ),
        UndecodableImage,
        "damaged",
    ),
    "heic cut off": (photos.heic(64, 48)[:-1], UndecodableImage, "damaged"),
}


def feed(header: StreamedHeader, data: bytes, *, size: int = 65_536) -> None:
    """Let a picture arrive in pieces of `size`."""
    for at in range(0, len(data), size):
        list(header.feed(data[at : at + size]))
    header.facts()


def steps_before(data: bytes) -> int:
    """The work on bytes in memory until they are refused or walked through."""
    found = Findings(type_of(data), LIMITS)
    try:
        for _ in walk(Cursor(data, is_final=True), found):
            raise AssertionError("nothing more arrives")
    except PhotoChangerError:
        pass
    return found.steps


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("size", [1_000, 65_536])
def test_a_hostile_picture_is_refused_while_it_arrives(name: str, size: int) -> None:
    data, error, words = REFUSED[name]
    header = StreamedHeader(LIMITS)
    with pytest.raises(error, match=words):
        feed(header, data, size=size)
    assert header.steps <= 20_000


@pytest.mark.parametrize("name", REFUSED)
def test_other_tasks_run_while_a_hostile_picture_is_looked_at(name: str) -> None:
    header = StreamedHeader(LIMITS)
    seen = [0]
    with contextlib.suppress(PhotoChangerError):
        seen.extend(header.steps for _ in header.feed(REFUSED[name][0]))
    seen.append(header.steps)
    assert max(after - before for before, after in itertools.pairwise(seen)) <= 2_500


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_BEFORE_DECODING])
def test_a_hostile_picture_is_refused_before_a_decoder_opens_it(name: str) -> None:
    data, error, words = (REFUSED | REFUSED_BEFORE_DECODING)[name]
    with pytest.raises(error, match=words):
        check(data, LIMITS)
    assert steps_before(data) <= 20_000


def test_a_scan_of_fill_bytes_costs_an_upload_no_more_than_its_share() -> None:
    start = hostile.jpeg_scans(10)[:-2]
    header = StreamedHeader(LIMITS)
    list(header.feed(start))
    for _ in range(1_000):
        list(header.feed(b"\xff" * 65_536))
    assert header.facts().width == 64
    assert header.steps <= 2 * UPLOAD_STEPS


def test_a_large_picture_costs_an_upload_little() -> None:
    for data, most in (
        (photos.jpeg(3000, 2000), 30),
        (photos.noise(1500, 1000), 1_500),
        (photos.webp(1500, 1000), 10),
        (photos.heic(1500, 1000), 60),
    ):
        header = StreamedHeader(LIMITS)
        feed(header, data)
        assert header.steps <= most


def test_tiles_that_cover_the_picture_are_fine() -> None:
    data = hostile.heic(items=TILES, sizes=TILED, parts=PARTS, data={1: hostile.grid(2, 2, 128, 96)})
    assert (check(data, LIMITS).width, check(data, LIMITS).height) == (128, 96)


@pytest.mark.parametrize("scans", [100, 101])
def test_the_bound_on_scans_is_exact(scans: int) -> None:
    data = hostile.jpeg_scans(scans)
    if scans == 100:
        assert parse(data, LIMITS).is_whole
    else:
        with pytest.raises(UndecodableImage, match="100 scans"):
            check(data, LIMITS)


def test_a_film_behind_a_jpeg_is_not_taken_for_scans() -> None:
    data = photos.jpeg(64, 48)
    assert check(data + b"\xff\xda" * 10_000, LIMITS).data == check(data, LIMITS).data
