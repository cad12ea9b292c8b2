"""Stripping by chunks on structures that no encoder at hand writes."""

from __future__ import annotations

import pytest
from photochanger.adapters.imaging.stripping import strip_jpeg, strip_png, strip_webp

from tests.support import photos


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


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
    assert strip_jpeg(plain[:2] + dropped + kept + plain[2:]) == plain[:2] + kept + plain[2:]


def test_fill_bytes_before_a_jpeg_marker_are_no_obstacle() -> None:
    plain = photos.jpeg(32, 32)
    assert strip_jpeg(plain[:2] + b"\xff\xff" + plain[2:]) == plain


def test_a_jpeg_without_its_end_marker_is_not_stripped() -> None:
    with pytest.raises(ValueError, match="end marker"):
        strip_jpeg(photos.jpeg(32, 32)[:-2])


@pytest.mark.parametrize(
    "data", [b"\xff\xd8", b"\xff\xd8\xff\xe1\xff\xff", b"\xff\xd8\x00\x00", b"\xff\xd8\xff\xe1\0\0"]
)
def test_a_jpeg_of_broken_structure_is_not_stripped(data: bytes) -> None:
    with pytest.raises(ValueError):
        strip_jpeg(data)


def test_what_follows_the_end_of_a_png_goes() -> None:
    plain = photos.png(32, 32)
    assert strip_png(plain + b"PK\x03\x04 archive") == plain


@pytest.mark.parametrize("cut", [10, 20, -6])
def test_a_png_of_broken_structure_is_not_stripped(cut: int) -> None:
    with pytest.raises(ValueError):
        strip_png(photos.png(32, 32)[:cut])


def test_a_webp_says_no_longer_that_it_has_metadata() -> None:
    stripped = strip_webp(photos.located("WEBP"))
    assert stripped[12:16] == b"VP8X"
    assert stripped[20] & 0b1100 == 0
    assert int.from_bytes(stripped[4:8], "little") == len(stripped) - 8
    assert b"EXIF" not in stripped
    assert b"XMP " not in stripped


def test_an_animation_is_not_stripped_chunk_by_chunk() -> None:
    with pytest.raises(ValueError):
        strip_webp(photos.animated("WEBP", frames=3))
