"""One photo in every container and colour space comes out as the same sRGB picture."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips
from photochanger.adapters.imaging import operations
from photochanger.adapters.imaging.libvips import open_shrunk
from photochanger.adapters.imaging.profiles import is_srgb, profile_of
from photochanger.adapters.imaging.sniffing import sniff
from photochanger.adapters.imaging.structure.colour import ADOBE_RGB, BT709, BT2020, P3, Colour, Transfer
from photochanger.core.domain.media import ImageLimits, Picture, PictureNeeds
from PIL import Image, ImageCms

from tests.support import colours, photos

ANYTHING = PictureNeeds(("image/jpeg", "image/png", "image/webp"), 64 * 2**20, 100_000_000)
SMALLER = PictureNeeds(("image/jpeg",), 64 * 2**20, 120 * 80, quality=95)
LIMITS = ImageLimits(max_pixels=100_000_000)

ADOBE = colours.gamma(563 / 256)


def exif(order: str, *, is_dcf: bool = True, space: int | None = None) -> bytes:
    """EXIF of a camera that was set to Adobe RGB: the index R03 of DCF, or the number 2 of some older ones."""
    space = (0xFFFF if is_dcf else 2) if space is None else space
    mark = b"II" if order == "<" else b"MM"
    first_at, exif_at = 8, 8 + 2 + 24 + 4
    interoperability_at = exif_at + 2 + 24 + 4
    short = struct.Struct(f"{order}HHIHH")
    long = struct.Struct(f"{order}HHII")
    tiff = struct.pack(f"{order}2sHI", mark, 42, first_at)
    tiff += struct.pack(f"{order}H", 2) + short.pack(0x0112, 3, 1, 1, 0) + long.pack(0x8769, 4, 1, exif_at)
    tiff += bytes(4) + struct.pack(f"{order}H", 2) + short.pack(0xA001, 3, 1, space, 0)
    tiff += long.pack(0xA005, 4, 1, interoperability_at) + bytes(4)
    index = b"R03\0" if is_dcf else b"R98\0"
    tiff += struct.pack(f"{order}H", 1) + struct.pack(f"{order}HHI", 1, 2, 4) + index + bytes(4)
    return b"Exif\0\0" + tiff


def profile(colour: Colour) -> bytes:
    """As a camera's editor writes it: named, and taken by another library than ours."""
    written = profile_of(colour)
    assert ImageCms.ImageCmsProfile(io.BytesIO(written)).profile.xcolor_space == "RGB "
    return written


def chunk_of_numbers(primaries: int, transfer: int) -> bytes:
    return photos.png_chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def chromaticities(*values: int) -> bytes:
    return photos.png_chunk(b"cHRM", b"".join(value.to_bytes(4, "big") for value in values))


def camera_jpeg(order: str, **options: object) -> Callable[[Image.Image], bytes]:
    return lambda base: photos.encoded(
        colours.pillow(colours.in_space(base, "AdobeRGB", ADOBE)), "JPEG", quality=96, exif=exif(order), **options
    )


def in_container(
    kind: str, space: str, encode: Callable[[float], float], **options: object
) -> Callable[[Image.Image], bytes]:
    return lambda base: photos.encoded(colours.pillow(colours.in_space(base, space, encode)), kind, **options)


SRGB = colours.light_to_srgb
PHOTOS: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": lambda base: photos.encoded(base, "JPEG", quality=96),
    "JPEG, sRGB profile": lambda base: photos.encoded(
        base, "JPEG", quality=96, icc_profile=profile(Colour(BT709, Transfer.SRGB))
    ),
    "JPEG, Adobe RGB by R03, Intel": camera_jpeg("<"),
    "JPEG, Adobe RGB by R03, Motorola": camera_jpeg(">", subsampling=2, progressive=True),
    "JPEG, Adobe RGB by number": in_container("JPEG", "AdobeRGB", ADOBE, quality=96, exif=exif("<", is_dcf=False)),
    "JPEG, Adobe RGB by profile": in_container("JPEG", "AdobeRGB", ADOBE, quality=96, icc_profile=profile(ADOBE_RGB)),
    "JPEG, P3 by profile": in_container(
        "JPEG", "P3", SRGB, quality=96, icc_profile=profile(Colour(P3, Transfer.SRGB)), subsampling=0
    ),
    "JPEG, P3 by profile and EXIF of Adobe RGB": in_container(
        "JPEG", "P3", SRGB, quality=96, icc_profile=profile(Colour(P3, Transfer.SRGB)), exif=exif(">")
    ),
    "PNG": lambda base: photos.encoded(base, "PNG"),
    "PNG, palette": lambda base: photos.encoded(base.quantize(256, dither=Image.Dither.NONE), "PNG"),
    "PNG, 16 bits": lambda base: bytes(colours.in_space(base, "sRGB", SRGB, deep=True).pngsave_buffer()),
    "PNG, P3 by profile": in_container("PNG", "P3", SRGB, icc_profile=profile(Colour(P3, Transfer.SRGB))),
    "PNG, P3 by numbers": lambda base: colours.png_with(colours.in_space(base, "P3", SRGB), chunk_of_numbers(12, 13)),
    "PNG, sRGB by numbers before a profile": lambda base: colours.png_with(
        colours.vips(base), chunk_of_numbers(1, 13), photos.png_chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    ),
    "PNG, Adobe RGB by gamma and chromaticities": lambda base: colours.png_with(
        colours.in_space(base, "AdobeRGB", colours.gamma(2.2)),
        photos.png_chunk(b"gAMA", (45_455).to_bytes(4, "big")),
        chromaticities(31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000),
    ),
    "PNG, linear, 16 bits": lambda base: colours.png_with(
        colours.in_space(base, "sRGB", colours.gamma(1), deep=True),
        photos.png_chunk(b"gAMA", (100_000).to_bytes(4, "big")),
    ),
    "PNG, BT.2020 PQ, 16 bits": lambda base: colours.png_with(
        colours.in_space(base, "BT2020", colours.light_to_pq, deep=True), chunk_of_numbers(9, 16)
    ),
    "PNG, Adobe RGB by EXIF": in_container("PNG", "AdobeRGB", ADOBE, exif=exif("<")),
    "WebP": lambda base: photos.encoded(base, "WEBP", lossless=True),
    "WebP, Adobe RGB by EXIF": in_container("WEBP", "AdobeRGB", ADOBE, lossless=True, exif=exif(">")),
    "WebP, P3 by profile": in_container(
        "WEBP", "P3", SRGB, lossless=True, icc_profile=profile(Colour(P3, Transfer.SRGB))
    ),
    "HEIC": lambda base: colours.heic(colours.vips(base), primaries=1, transfer=13),
    "HEIC that says nothing": lambda base: colours.heic(colours.vips(base), primaries=2, transfer=2),
    "HEIC, P3": lambda base: colours.heic(colours.in_space(base, "P3", SRGB), primaries=12, transfer=13),
    "HEIC, P3, 10 bits": lambda base: colours.heic(
        colours.in_space(base, "P3", SRGB, deep=True), primaries=12, transfer=1
    ),
    "HEIC, BT.2020": lambda base: colours.heic(colours.in_space(base, "BT2020", SRGB), primaries=9, transfer=14),
    "HEIC, BT.2020 PQ, 10 bits": lambda base: colours.heic(
        colours.in_space(base, "BT2020", colours.light_to_pq, deep=True), primaries=9, transfer=16
    ),
    "HEIC, P3 PQ, 8 bits": lambda base: colours.heic(
        colours.in_space(base, "P3", colours.light_to_pq), primaries=12, transfer=16
    ),
}


@pytest.fixture(scope="module")
def base() -> Image.Image:
    return colours.colourful()


@pytest.mark.parametrize("name", PHOTOS)
def test_the_same_photo_in_every_container_is_the_same_picture(tmp_path: Path, base: Image.Image, name: str) -> None:
    data, expected = PHOTOS[name](base), colours.vips(base)
    (tmp_path / "photo").write_bytes(data)
    sent, result = operations.prepare_with_preview(tmp_path / "photo", ANYTHING), operations.normalise(data, LIMITS)
    for each in (sent, result):
        assert colours.differ(colours.decoded(each.picture.data), expected) <= 1
        photos.require_no_metadata(each.picture.data)
        preview = each.preview()
        assert preview is not None
        assert colours.differ(colours.decoded(preview), expected) <= 2
    small = colours.decoded(operations.prepare(tmp_path / "photo", SMALLER).data)
    shrunk = open_shrunk(Picture(data, sniff(data) or "", 1, 1), max_side=120)
    expected_small = expected.thumbnail_image(120)
    assert colours.differ(small, expected_small) <= 1.5
    assert colours.differ(shrunk, expected_small) <= 1.5
    assert colours.differ(colours.decoded(operations.preview(data)), expected) <= 2


def test_a_picture_that_an_editor_turned_into_srgb_keeps_its_colours(tmp_path: Path, base: Image.Image) -> None:
    data = photos.encoded(base, "JPEG", quality=96, exif=exif("<", space=1))
    (tmp_path / "photo").write_bytes(data)
    assert (
        photos.pixels(operations.prepare(tmp_path / "photo", ANYTHING).data).tobytes() == photos.pixels(data).tobytes()
    )


def test_an_avif_of_a_provider_becomes_a_jpeg(base: Image.Image) -> None:
    for options in ({}, {"icc_profile": profile(Colour(P3, Transfer.SRGB))}):
        source = colours.pillow(colours.in_space(base, "P3", SRGB)) if options else base
        data = photos.encoded(source, "AVIF", quality=95, **options)
        picture = operations.normalise(data, LIMITS).picture
        assert picture.mime == "image/jpeg"
        assert colours.differ(colours.decoded(picture.data), colours.vips(base)) <= 1.5
    transparent = base.convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(base.size))
    picture = operations.normalise(photos.encoded(transparent, "AVIF", quality=95), LIMITS).picture
    with Image.open(io.BytesIO(picture.data)) as seen:
        assert (seen.format, seen.mode) == ("PNG", "RGBA")
        assert seen.getchannel("A").getextrema() != (255, 255)


def test_hlg_paper_is_white_and_its_highlights_are_not_cut_off() -> None:
    """75 % of HLG is paper white; what is above stays apart up to the peak."""
    steps = [round(65_535 * step / 20) for step in range(21)]
    row = b"".join(struct.pack("=3H", step, step, step) for step in steps for _ in range(8))
    image = pyvips.Image.new_from_memory(row * 64, 168, 64, 3, "ushort").copy(interpretation="rgb16")
    data = colours.png_with(image, chunk_of_numbers(9, 18))
    seen = colours.decoded(operations.normalise(data, LIMITS).picture.data)
    values = [seen(8 * step + 4, 32)[1] for step in range(21)]
    assert values == sorted(values)
    assert len(set(values[14:])) >= 6
    assert 200 < values[15] < 250
    assert values[20] >= 250
    assert values[0] == 0


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA"])
def test_transparency_and_grey_stay_in_a_result(mode: str) -> None:
    picture = photos.scene(64, 48).convert(mode)
    if "A" in mode:
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    data = photos.encoded(picture, "PNG", icc_profile=profile(Colour(P3, Transfer.SRGB)) if mode == "RGBA" else None)
    result = operations.normalise(data, LIMITS).picture
    with Image.open(io.BytesIO(result.data)) as seen:
        if "A" in mode:
            assert seen.getchannel("A").tobytes() == picture.getchannel("A").tobytes()
        assert colours.differ(colours.vips(seen.convert("RGB")), colours.vips(picture.convert("RGB"))) <= 6


def test_profiles_of_srgb_of_all_writers_are_recognised() -> None:
    made = [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), profile(Colour(BT709, Transfer.SRGB))]
    made.append(
        bytes(
            pyvips.Image.black(1, 1, bands=3)
            .copy(interpretation="srgb")
            .icc_transform("srgb", input_profile="srgb")
            .get("icc-profile-data")
        )
    )
    assert all(is_srgb(one, 3) for one in made)
    for other in (
        ADOBE_RGB,
        Colour(P3, Transfer.SRGB),
        Colour(BT2020, Transfer.SRGB),
        Colour(BT709, Transfer.GAMMA, 1.8),
    ):
        assert not is_srgb(profile(other), 3)
    assert is_srgb(b"no profile" * 20, 3), "what is none says nothing"


def test_our_profiles_mean_what_others_take_them_for() -> None:
    base = colours.colourful(64, 48)
    for space, colour, encode in (
        ("AdobeRGB", ADOBE_RGB, ADOBE),
        ("P3", Colour(P3, Transfer.SRGB), SRGB),
        ("BT2020", Colour(BT2020, Transfer.GAMMA, 2.2), colours.gamma(2.2)),
    ):
        wide = colours.pillow(colours.in_space(base, space, encode))
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile(colour)))
        seen = ImageCms.profileToProfile(wide, source, ImageCms.createProfile("sRGB"))
        assert colours.differ(colours.vips(seen), colours.vips(base)) <= 0.5
