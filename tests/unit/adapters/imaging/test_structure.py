"""The parsers against other decoders on generated pictures, and against arbitrary and damaged bytes."""

from __future__ import annotations

import functools
import io
import tracemalloc
from collections.abc import Callable
from unittest.mock import patch

import pillow_heif
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from photochanger.adapters.imaging.checked import ANY_SIZE, check
from photochanger.adapters.imaging.streamed_header import StreamedHeader
from photochanger.adapters.imaging.structure import Cursor, Findings, parse, walk
from photochanger.core.domain.errors import ImageTooLarge, UndecodableImage, UnsupportedMediaType
from photochanger.core.domain.media import ImageFacts, ImageLimits
from PIL import Image, ImageFile

from tests.support import hostile_pictures as hostile
from tests.support import photos

LIMITS = ImageLimits(max_pixels=1_000_000, max_frames=8)
PORT_ERRORS = (UndecodableImage, UnsupportedMediaType, ImageTooLarge)

SIDES = st.integers(1, 300)

STARTS = [
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
    b"RIFF\xff\xff\0\0WEBPVP8X",
    b"RIFF\xff\xff\0\0WEBPVP8L",
    hostile.FTYP,
    hostile.FTYP + b"\0\0\x0f\xffmeta\0\0\0\0",
]


@functools.cache
def samples() -> list[bytes]:
    """Small pictures of all types, as whole as they come."""
    scene = photos.scene(48, 32)
    return [
        photos.located("JPEG", 48, 32, orientation=6),
        photos.encoded(scene, "JPEG", progressive=True),
        photos.encoded(scene.convert("L"), "JPEG", restart_marker_rows=1),
        photos.located("PNG", 48, 32, orientation=3),
        photos.animated("PNG", frames=3),
        photos.located("WEBP", 48, 32, orientation=8),
        photos.encoded(scene, "WEBP", lossless=True),
        photos.animated("WEBP", frames=3),
        photos.located("HEIF", 48, 32),
        hostile.heic(
            items={1: b"grid", 2: b"hvc1"},
            sizes={1: (90, 60), 2: (48, 32)},
            parts={1: [2, 2, 2, 2]},
            data={1: hostile.grid(2, 2, 90, 60)},
        ),
    ]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A picture with some bytes changed, left out, put in or doubled, most of them near its start; perhaps cut off."""
    data = bytearray(draw(st.sampled_from(samples())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(len(data), draw(st.sampled_from([64, 400, 10**6])))))
        match draw(st.integers(0, 4)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                data[at : at + 4] = draw(st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1"]))
            case 2:
                del data[at : at + draw(st.integers(1, 80))]
            case 3:
                data[at:at] = draw(st.binary(max_size=80))
            case 4:
                data[at:at] = data[at : at + draw(st.integers(1, 400))] * draw(st.integers(1, 20))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


anything = st.one_of(
    st.binary(max_size=4_000),
    st.builds(lambda start, rest: start + rest, st.sampled_from(STARTS), st.binary(max_size=4_000)),
    damaged(),
)


def outcome(work: Callable[[], ImageFacts]) -> ImageFacts | type[Exception]:
    """Facts, or the kind of an error of the port; any other error is raised."""
    try:
        return work()
    except PORT_ERRORS as error:
        return type(error)


def in_memory(data: bytes) -> ImageFacts:
    found = parse(data, LIMITS)
    return ImageFacts(found.mime, found.width, found.height)


def arriving(data: bytes, sizes: list[int]) -> ImageFacts:
    header = StreamedHeader(LIMITS)
    at = 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        list(header.feed(data[at : at + size]))
        at += size
    return header.facts()


@given(anything, st.lists(st.integers(1, 700), min_size=1, max_size=5))
@settings(max_examples=400, deadline=None)
def test_whatever_arrives_ends_in_facts_or_an_error_of_the_port(data: bytes, sizes: list[int]) -> None:
    whole = outcome(lambda: in_memory(data))
    piecemeal = outcome(lambda: arriving(data, sizes))
    # An upload is not looked at to its end, so it may pass where the whole file does not.
    assert piecemeal == whole or isinstance(piecemeal, ImageFacts)
    if isinstance(whole, ImageFacts):
        assert piecemeal == whole


@given(anything)
@settings(max_examples=300, deadline=None)
def test_what_is_checked_is_no_larger_and_passes_again(data: bytes) -> None:
    try:
        picture = check(data, LIMITS)
    except PORT_ERRORS:
        return
    assert len(picture.data) <= len(data) + 40  # its density and end
    again = check(picture.data, LIMITS)
    assert (again.width, again.height, again.is_plain) == (picture.width, picture.height, picture.is_plain)
    assert again.data == picture.data


@given(anything)
@settings(max_examples=300, deadline=None)
@example(hostile.png_chunks(50_000))
@example(hostile.jpeg_with(hostile.segment(0xFE, b"") * 20_000))
@example(hostile.jpeg_scans(2_000))
@example(hostile.riff(hostile.vp8x(32, 32), *[(b"abcd", b"")] * 20_000))
@example(hostile.FTYP + hostile.box(b"free") * 20_000)
def test_work_and_memory_are_bounded_by_the_size_and_by_a_constant(data: bytes) -> None:
    found: Findings | None = None
    tracemalloc.start()
    try:
        header = StreamedHeader(LIMITS)
        try:
            for at in range(0, len(data), 16_384):
                list(header.feed(data[at : at + 16_384]))
            header.facts()
        except PORT_ERRORS:
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert header.steps <= 20_000
    assert peak <= 512 * 1024
    if header.mime is not None:
        found = Findings(header.mime, LIMITS)
        with_all = Cursor(data, is_final=True)
        try:
            for _ in walk(with_all, found):
                raise AssertionError("nothing more arrives")
        except PORT_ERRORS:
            pass
        assert found.steps <= 20_000 + len(data) // 100


@pytest.mark.parametrize("number", range(10))
def test_a_picture_may_be_cut_off_at_any_byte(number: int) -> None:
    data = samples()[number]
    whole = in_memory(data)
    for kept in range(len(data)):
        assert outcome(lambda kept=kept: in_memory(data[:kept])) in (whole, UndecodableImage, UnsupportedMediaType)


def test_bytes_that_are_waited_for_are_not_copied_for_each_of_them() -> None:
    cursor = Cursor(b"ab")
    cursor.budget = 10
    waiting = cursor.take(1_000)
    next(waiting)
    for _ in range(997):
        cursor.feed(b"x")
        next(waiting)
    assert (cursor.block, cursor.size) == (b"ab", 999)
    cursor.feed(b"yz")
    with pytest.raises(StopIteration) as ended:
        next(waiting)
    assert ended.value.value == b"ab" + b"x" * 997 + b"y"
    assert (cursor.position, cursor.size) == (1_000, 1_001)


@given(
    SIDES,
    SIDES,
    st.sampled_from(["L", "RGB", "CMYK"]),
    st.fixed_dictionaries(
        {},
        optional={
            "progressive": st.just(True),
            "subsampling": st.sampled_from([0, 1, 2]),
            "restart_marker_rows": st.just(1),
            "comment": st.just(b"\xff\xd9 \xff\xda"),
            "icc_profile": st.just(bytes(100_000)),
        },
    ),
    st.integers(1, 8),
)
@settings(max_examples=80, deadline=None)
def test_jpegs_have_the_size_that_pillow_reads(
    width: int, height: int, mode: str, options: dict[str, object], orientation: int
) -> None:
    options["exif"] = photos.located_exif(orientation)
    with patch.object(ImageFile, "MAXBLOCK", 2**20):  # Pillow guesses too small a buffer for some of the options
        data = photos.encoded(Image.new(mode, (width, height)), "JPEG", **options)
    agrees(data, orientation)


@given(SIDES, SIDES, st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_pngs_have_the_size_that_pillow_reads(width: int, height: int, mode: str, orientation: int) -> None:
    data = photos.encoded(Image.new(mode, (width, height)), "PNG", exif=photos.located_exif(orientation))
    agrees(data, orientation)


@given(SIDES, SIDES, st.sampled_from(["RGB", "RGBA"]), st.booleans(), st.integers(1, 4), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_webps_have_the_size_that_pillow_reads(
    width: int, height: int, mode: str, lossless: bool, frames: int, orientation: int
) -> None:
    pictures = [Image.new(mode, (width, height), (number * 60, 9, 9)) for number in range(frames)]
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    exif = photos.located_exif(orientation)
    agrees(photos.encoded(pictures[0], "WEBP", lossless=lossless, exif=exif, **more), orientation)


@given(st.integers(16, 200), st.integers(16, 200), st.sampled_from(["L", "RGB", "RGBA"]), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_heics_have_the_size_that_libheif_reads(width: int, height: int, mode: str, orientation: int) -> None:
    out = io.BytesIO()
    exif = photos.located_exif(orientation).tobytes()
    pillow_heif.from_pillow(Image.new(mode, (width, height))).save(out, quality=30, exif=exif)
    opened = pillow_heif.open_heif(io.BytesIO(out.getvalue()))
    found = parse(out.getvalue(), ANY_SIZE)
    assert (found.width, found.height) == opened.size
    assert found.frames == len(opened)
    assert found.is_whole


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
@pytest.mark.parametrize("frames", [2, 7])
def test_frames_are_counted(kind: str, frames: int) -> None:
    assert parse(photos.animated(kind, frames=frames), ANY_SIZE).frames == frames


def agrees(data: bytes, orientation: int) -> None:
    """What the parser finds is what Pillow finds, before and after metadata is left out."""
    found = parse(data, ANY_SIZE)
    with Image.open(io.BytesIO(data)) as opened:
        assert (found.width, found.height) == opened.size
        assert found.frames == getattr(opened, "n_frames", 1)
        assert found.orientation == orientation
        pixels = opened.convert("RGBA").tobytes()
    assert found.is_whole
    with Image.open(io.BytesIO(check(data, ANY_SIZE).data)) as opened:
        assert opened.convert("RGBA").tobytes() == pixels
        assert not opened.getexif()
