"""What is left of a picture for a decoder: the pixels' own parts, of structures that no encoder at hand writes."""

from __future__ import annotations

import zlib

import pytest
from photochanger.adapters.imaging.checked import ANY_SIZE, check
from photochanger.core.domain.errors import UndecodableImage
from PIL import Image, ImageCms

from tests.support import photos


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


def with_chunks(*chunks: bytes) -> bytes:
    """A PNG with these chunks in front of its pixels."""
    plain = photos.png(32, 32)
    return plain[:33] + b"".join(chunks) + plain[33:]


def test_only_segments_that_pixels_need_stay_in_a_jpeg() -> None:
    plain = photos.jpeg(32, 32)
    kept = segment(0xE2, b"ICC_PROFILE\0\x01\x01profile") + segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01")
    dropped = b"".join(
        [
            segment(0xE0, b"JFXX\0thumbnail"),
            segment(0xE1, b"Exif\0\0place"),
            segment(0xE2, b"MPF\0more pictures"),
            segment(0xED, b"Photoshop 3.0\0place"),
            segment(0xEB, b"anything"),
            segment(0xFE, b"comment"),
        ]
    )
    picture = check(plain[:2] + dropped + kept + plain[2:], ANY_SIZE)
    assert picture.data == plain[:2] + kept + plain[2:]
    assert picture.is_whole


def test_fill_bytes_before_a_jpeg_marker_are_no_obstacle() -> None:
    plain = photos.jpeg(32, 32)
    assert check(plain[:2] + b"\xff\xff" + plain[2:], ANY_SIZE).data == plain


def test_a_profile_that_is_none_goes_with_all_its_segments() -> None:
    plain = photos.jpeg(32, 32)
    profile = b"".join(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + bytes(65_000)) for _ in range(70))
    assert check(plain[:2] + profile + plain[2:], ANY_SIZE).data == plain


def test_an_unchanged_picture_is_not_copied() -> None:
    for plain in (photos.jpeg(32, 32), photos.png(32, 32), photos.webp(32, 32)):
        assert check(plain, ANY_SIZE).data is plain


def test_a_jpeg_without_its_end_marker_is_not_whole() -> None:
    cut = photos.jpeg(32, 32)[:-2]
    picture = check(cut, ANY_SIZE)
    assert not picture.is_whole
    assert picture.data == cut


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff\xff", b"\xff\xd8\xff\xe1\0\0", b"\xff\xd8\xff\xd9"]
)
def test_a_jpeg_of_broken_structure_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        check(data, ANY_SIZE)


def test_text_time_exif_and_all_behind_the_end_of_a_png_go() -> None:
    plain = photos.png(32, 32)
    packed = zlib.compress(b"a" * 1000)
    dropped = [
        photos.png_chunk(b"tEXt", b"prompt\0a person"),
        photos.png_chunk(b"zTXt", b"workflow\0\0" + packed),
        photos.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed),
        photos.png_chunk(b"tIME", bytes(7)),
        photos.png_chunk(b"eXIf", photos.located_exif(1).tobytes()),
        photos.png_chunk(b"abCd", b"anything"),
    ]
    assert check(with_chunks(*dropped) + b"PK\x03\x04 archive", ANY_SIZE).data == plain


def test_a_png_profile_is_kept_if_it_unpacks_within_the_bound() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    good = photos.png_chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(profile))
    assert good in check(with_chunks(good), ANY_SIZE).data


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
    assert check(with_chunks(photos.png_chunk(b"iCCP", body)), ANY_SIZE).data == photos.png(32, 32)


@pytest.mark.parametrize("cut", [16, 20, 23])
def test_a_png_of_broken_structure_is_undecodable(cut: int) -> None:
    with pytest.raises(UndecodableImage):
        check(photos.png(32, 32)[:cut], ANY_SIZE)


def test_a_png_without_its_end_is_not_whole() -> None:
    plain = photos.png(32, 32)
    assert check(plain, ANY_SIZE).is_whole
    assert not check(plain[:-6], ANY_SIZE).is_whole
    assert not check(plain[:-12], ANY_SIZE).is_whole


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
    assert (picture.frames, picture.is_whole) == (2, False)
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
