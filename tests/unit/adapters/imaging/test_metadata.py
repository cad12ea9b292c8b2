"""Whatever is written into a picture beside its pixels, none of it leaves, neither to a provider nor in a result."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from photochanger.adapters.imaging import operations
from photochanger.core.domain.media import ImageLimits, PictureNeeds
from PIL import Image

from tests.support import photos

LIMITS = ImageLimits(max_pixels=1_000_000)
MARK = b"Mark-of-a-guest-5561"
"""In every piece of metadata. A decoder writes it nowhere by chance."""

SIZES = st.tuples(st.integers(8, 60), st.integers(8, 60))
BEFORE = st.binary(max_size=20).filter(lambda data: b"\xff" not in data)

NEEDS = st.sampled_from(
    [
        PictureNeeds(("image/jpeg", "image/png", "image/webp"), 2**20, 1_000_000),
        PictureNeeds(("image/jpeg",), 2**20, 900),
        PictureNeeds(("image/png",), 2**20, 1_000_000),
        PictureNeeds(("image/webp",), 2**20, 900),
    ]
)


def exif(orientation: int) -> bytes:
    """EXIF with place, owner, serial number, maker's note and comment."""
    written = photos.located_exif(orientation)
    written[0x013B] = written[0x8298] = MARK.decode()
    written[0x8769] = {0xA430: MARK.decode(), 0xA431: MARK.decode(), 0x927C: MARK * 3, 0x9286: b"ASCII\0\0\0" + MARK}
    return written.tobytes()


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + MARK + b"</x:xmpmeta>"
SEGMENTS = st.lists(
    st.one_of(
        st.builds(lambda turn: segment(0xE1, exif(turn)), st.integers(1, 8)),
        st.just(segment(0xE1, XMP)),
        st.just(segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\x14" + MARK)),
        st.just(segment(0xFE, MARK)),
        st.just(segment(0xE0, b"JFXX\0\x10" + MARK)),
        st.just(segment(0xE2, b"MPF\0" + MARK)),
        st.just(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + MARK * 8)),
        st.builds(lambda number, text: segment(0xE0 + number, text + MARK), st.integers(3, 13), BEFORE),
    ),
    max_size=6,
)
TEXT = b"prompt\0" + MARK
CHUNKS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                photos.png_chunk(b"tEXt", TEXT),
                photos.png_chunk(b"zTXt", b"workflow\0\0" + zlib.compress(MARK)),
                photos.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + MARK),
                photos.png_chunk(b"iCCP", b"a\0\0" + zlib.compress(MARK * 9)),
                photos.png_chunk(b"tIME", bytes([7, 234, 11, 29, 8, 0, 0])),
                photos.png_chunk(b"caBX", MARK),
                photos.png_chunk(b"pHYs", bytes(9)),
            ]
        ),
        st.builds(lambda turn: photos.png_chunk(b"eXIf", exif(turn)[6:]), st.integers(1, 8)),
    ),
    max_size=6,
)


@st.composite
def marked(draw: st.DrawFn) -> bytes:
    """A picture of any kind with metadata all over it."""
    scene = photos.scene(*draw(SIZES), grain=0)
    match draw(st.sampled_from(["JPEG", "PNG", "WEBP", "HEIF"])):
        case "JPEG":
            data = photos.encoded(scene, "JPEG", progressive=draw(st.booleans()))
            return data[:2] + b"".join(draw(SEGMENTS)) + data[2:] + draw(st.sampled_from([b"", MARK, data]))
        case "PNG":
            data = photos.encoded(scene, "PNG")
            before, after = b"".join(draw(CHUNKS)), b"".join(draw(CHUNKS))
            return data[:33] + before + data[33:-12] + after + data[-12:] + draw(st.sampled_from([b"", MARK]))
        case "WEBP":
            options = {"exif": exif(draw(st.integers(1, 8))), "xmp": XMP, "icc_profile": MARK * 8}
            kept = draw(st.sets(st.sampled_from(sorted(options))))
            return photos.encoded(scene, "WEBP", lossless=draw(st.booleans()), **{key: options[key] for key in kept})
        case _:
            import pillow_heif

            out = io.BytesIO()
            heif = pillow_heif.from_pillow(scene)
            heif.save(out, quality=60, exif=exif(1), xmp=XMP)
            return out.getvalue()


@given(marked(), NEEDS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_metadata_leaves_in_either_direction(data: bytes, needs: PictureNeeds) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "photo"
        path.write_bytes(data)
        prepared = operations.prepare_with_preview(path, needs)
    normalised = operations.normalise(data, LIMITS)
    result = normalised.picture
    previews = [prepared.preview(), normalised.preview(), operations.preview(result.data)]
    for left in (prepared.picture.data, result.data, *previews):
        assert left is not None
        assert MARK not in left
        assert photos.GPS_MARK.encode() not in left
        photos.require_no_metadata(left)
    with Image.open(io.BytesIO(result.data)) as opened:
        assert opened.size == (result.width, result.height)
        assert photos.density(opened) == (300, 300)
    again = operations.normalise(result.data, LIMITS).picture
    assert again.data == result.data, "what is fine is not coded again"
