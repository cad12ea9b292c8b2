"""What is left of a picture for a decoder: the pixels' own parts, of structures that no encoder at hand writes."""

from __future__ import annotations

import zlib

import pytest
from photochanger.adapters.imaging.checked import ANY_SIZE, check
from photochanger.adapters.imaging.density import JFIF, PNG_CHUNK
from photochanger.adapters.imaging.structure.colour import BT709, P3, Colour, Transfer
from photochanger.core.domain.errors import UndecodableImage
from PIL import Image, ImageCms

from tests.support import photos


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


def plain_jpeg() -> bytes:
    return photos.encoded(photos.scene(32, 32), "JPEG")


def plain_png() -> bytes:
    return photos.encoded(photos.scene(32, 32), "PNG")


def with_density(data: bytes) -> bytes:
    """The same JPEG or PNG with 300 dpi."""
    if data.startswith(b"\xff\xd8"):
        assert data[2:4] == b"\xff\xe0"
        return data[:2] + JFIF + data[20:]
    return data[:33] + PNG_CHUNK + data[33:]


def with_chunks(*chunks: bytes) -> bytes:
    """A PNG with these chunks in front of its pixels."""
    plain = plain_png()
    return plain[:33] + b"".join(chunks) + plain[33:]


def test_only_segments_that_pixels_need_stay_in_a_jpeg() -> None:
    plain = plain_jpeg()
    dropped = b"".join(
        [
            segment(0xE0, b"JFXX\0thumbnail"),
            segment(0xE1, b"Exif\0\0place"),
            segment(0xE2, b"MPF\0more pictures"),
            segment(0xE2, b"ICC_PROFILE\0\x02\x02file"),
            segment(0xE2, b"ICC_PROFILE\0\x01\x02pro"),
            segment(0xED, b"Photoshop 3.0\0place"),
            segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01"),
            segment(0xEB, b"anything"),
            segment(0xFE, b"comment"),
        ]
    )
    picture = check(plain[:2] + dropped + plain[2:], ANY_SIZE)
    assert picture.data == with_density(plain)
    assert picture.profile == b"profile"


def test_an_adobe_segment_stays_where_the_pixels_are_no_ycbcr() -> None:
    for adobe in (segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"), photos.encoded(Image.new("CMYK", (9, 9)), "JPEG")[2:18]):
        is_cmyk = adobe[-1] != 0 or adobe[:2] != b"\xff\xee"
        plain = photos.encoded(Image.new("CMYK", (9, 9)), "JPEG") if is_cmyk else plain_jpeg()
        data = plain if is_cmyk else plain[:2] + adobe + plain[20:]
        picture = check(data, ANY_SIZE)
        assert b"Adobe" in picture.data
        assert b"JFIF" not in picture.data
        assert not picture.is_plain
        assert photos.pixels(picture.data).tobytes() == photos.pixels(data).tobytes()


def test_fill_bytes_before_a_jpeg_marker_are_no_obstacle() -> None:
    plain = plain_jpeg()
    assert check(plain[:2] + b"\xff\xff" + plain[2:], ANY_SIZE).data == with_density(plain)


def test_a_profile_that_is_none_goes_with_all_its_segments() -> None:
    plain = plain_jpeg()
    profile = b"".join(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + bytes(65_000)) for _ in range(70))
    picture = check(plain[:2] + profile + plain[2:], ANY_SIZE)
    assert picture.data == with_density(plain)
    assert picture.profile is None


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n"])
def test_a_missing_end_and_a_line_end_in_front_change_nothing(missing: int, line_end: bytes) -> None:
    plain = plain_jpeg()
    picture = check(line_end + plain[:-missing], ANY_SIZE)
    assert picture.data == with_density(plain)
    assert picture.is_plain


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff\xff", b"\xff\xd8\xff\xe1\0\0", b"\xff\xd8\xff\xd9"]
)
def test_a_jpeg_of_broken_structure_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        check(data, ANY_SIZE)


def test_text_time_exif_and_all_behind_the_end_of_a_png_go() -> None:
    plain = plain_png()
    packed = zlib.compress(b"a" * 1000)
    dropped = [
        photos.png_chunk(b"tEXt", b"prompt\0a person"),
        photos.png_chunk(b"zTXt", b"workflow\0\0" + packed),
        photos.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed),
        photos.png_chunk(b"tIME", bytes(7)),
        photos.png_chunk(b"eXIf", photos.located_exif(1).tobytes()),
        photos.png_chunk(b"abCd", b"anything"),
    ]
    assert check(with_chunks(*dropped) + b"PK\x03\x04 archive", ANY_SIZE).data == with_density(plain)


def test_a_png_profile_is_kept_if_it_unpacks_within_the_bound() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    good = photos.png_chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(profile))
    picture = check(with_chunks(good), ANY_SIZE)
    assert picture.profile == profile
    assert picture.data == with_density(plain_png())


@pytest.mark.parametrize(
    "body",
    [
        b"bomb\0\0" + zlib.compress(bytes(5 * 2**20), 9),
        b"cut\0\0" + zlib.compress(bytes(5_000), 9)[:-3],
        b"no zlib\0\0" + b"anything",
        b"no separator",
        b"method\0\1" + zlib.compress(b"a"),
        b"a name that is too long" * 9 + b"\0\0" + zlib.compress(b"a"),
        b"",
    ],
)
def test_any_other_png_profile_goes(body: bytes) -> None:
    picture = check(with_chunks(photos.png_chunk(b"iCCP", body)), ANY_SIZE)
    assert picture.profile is None
    assert picture.data == with_density(plain_png())


@pytest.mark.parametrize("cut", [16, 20, 23])
def test_a_png_of_broken_structure_is_undecodable(cut: int) -> None:
    with pytest.raises(UndecodableImage):
        check(plain_png()[:cut], ANY_SIZE)


@pytest.mark.parametrize("missing", [1, 2, 6, 12])
def test_the_end_of_a_png_may_be_missing(missing: int) -> None:
    plain = plain_png()
    assert check(plain[:-missing], ANY_SIZE).data == with_density(plain)


def test_what_is_said_of_colours_in_a_png_is_handed_over_in_the_order_of_the_standard() -> None:
    profile = photos.png_chunk(b"iCCP", b"any\0\0" + zlib.compress(b"profile"))
    gamma = photos.png_chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    p3, srgb = photos.png_chunk(b"cICP", bytes([12, 13, 0, 1])), photos.png_chunk(b"sRGB", b"\0")
    plain = with_density(plain_png())
    for chunks, expected in (
        ((gamma, profile, p3), (None, Colour(P3, Transfer.SRGB))),
        ((gamma, profile), (b"profile", Colour(BT709, Transfer.GAMMA, 1.0))),
        ((gamma, srgb), (None, None)),
        ((gamma,), (None, Colour(BT709, Transfer.GAMMA, 1.0))),
        ((photos.png_chunk(b"cICP", bytes([1, 13, 0, 1])), profile, gamma), (None, None)),
        ((photos.png_chunk(b"gAMA", bytes(4)),), (None, None)),
        ((photos.png_chunk(b"cHRM", bytes(32)),), (None, None)),
    ):
        picture = check(with_chunks(*chunks), ANY_SIZE)
        assert (picture.profile, picture.colour) == expected
        assert picture.data == plain


def test_a_webp_says_no_longer_that_it_has_metadata() -> None:
    picture = check(photos.located("WEBP"), ANY_SIZE)
    assert picture.data[12:16] == b"VP8X"
    assert picture.data[20] & 0b1100 == 0
    assert int.from_bytes(picture.data[4:8], "little") == len(picture.data) - 8
    assert b"EXIF" not in picture.data
    assert b"XMP " not in picture.data
    assert photos.pixels(picture.data).tobytes() == photos.pixels(photos.located("WEBP")).tobytes()


def test_an_animation_loses_its_metadata_and_is_no_still_picture() -> None:
    pictures = [Image.new("RGB", (24, 24), colour) for colour in ("red", "blue")]
    data = photos.encoded(
        pictures[0], "WEBP", save_all=True, append_images=pictures[1:], exif=photos.located_exif(), lossless=True
    )
    picture = check(data, ANY_SIZE)
    assert (picture.frames, picture.is_plain) == (2, False)
    assert photos.GPS_MARK.encode() in data
    assert photos.GPS_MARK.encode() not in picture.data
    assert photos.pixels(picture.data).getpixel((12, 12)) == (255, 0, 0)


def test_a_decoder_finds_no_metadata_in_a_heic() -> None:
    import pillow_heif

    data = photos.located("HEIF")
    picture = check(data, ANY_SIZE)
    assert len(picture.data) == len(data)
    assert pillow_heif.open_heif(data).info["exif"]
    assert not pillow_heif.open_heif(picture.data).info["exif"]
    assert photos.pixels(picture.data).tobytes() == photos.pixels(data).tobytes()
