"""The imaging adapter on the photos that cameras, phones and hostile clients send."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from photochanger.adapters.imaging import ImageTools
from photochanger.core.domain.errors import ImageTooLarge, UndecodableImage
from photochanger.core.domain.media import ImageLimits, PictureNeeds
from PIL import Image, ImageChops, ImageCms

from tests.support import photos
from tests.support.picture_work import InProcess

pytestmark = pytest.mark.anyio

LIMITS = ImageLimits(max_pixels=100_000_000)
ANYTHING = PictureNeeds(("image/jpeg", "image/png", "image/webp"), 64 * 2**20, 100_000_000)
ONLY_JPEG = PictureNeeds(("image/jpeg",), 64 * 2**20, 100_000_000)


@pytest.fixture
def tools() -> ImageTools:
    return ImageTools(InProcess())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "photo.jpg"


def furthest(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any two pixels' values."""
    return max(high for _, high in ImageChops.difference(one, other).getextrema())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_every_orientation_comes_upright(tools: ImageTools, file: Path, kind: str, orientation: int) -> None:
    upright = photos.corners()
    stored = photos.stored_turned(upright, orientation)
    photos.store(file, photos.encoded(stored, kind, exif=photos.located_exif(orientation), quality=95))
    picture = await tools.prepare(file, ANYTHING)
    seen = photos.pixels(picture.data)
    assert seen.size == (picture.width, picture.height) == upright.size
    for spot in ((8, 8), (56, 8), (8, 40), (56, 40)):
        assert max(abs(a - b) for a, b in zip(seen.getpixel(spot), upright.getpixel(spot), strict=True)) < 24
    assert photos.GPS_MARK.encode() not in picture.data


@pytest.mark.parametrize("orientation", [3, 6])
async def test_a_turned_photo_is_also_upright_when_it_is_made_smaller(
    tools: ImageTools, file: Path, orientation: int
) -> None:
    upright = photos.corners(640, 480)
    stored = photos.stored_turned(upright, orientation)
    photos.store(file, photos.encoded(stored, "JPEG", exif=photos.located_exif(orientation), quality=95))
    picture = await tools.prepare(file, PictureNeeds(("image/jpeg",), 2**20, 80 * 60))
    assert (picture.width, picture.height) == (80, 60)
    red, green, _ = photos.pixels(picture.data).getpixel((5, 5))
    assert red > 200
    assert green < 60


async def test_no_gps_is_left_for_an_exif_reader(tools: ImageTools, file: Path) -> None:
    for orientation in (1, 6):
        photos.store(file, photos.located("JPEG", orientation=orientation))
        with Image.open(file) as before:
            assert before.getexif().get_ifd(0x8825)
        picture = await tools.prepare(file, ANYTHING)
        with Image.open(io.BytesIO(picture.data)) as after:
            assert not after.getexif()
            assert not after.getexif().get_ifd(0x8825)
            assert "comment" not in after.info
            assert "xmp" not in after.info


async def test_a_second_picture_or_archive_behind_a_jpeg_goes_too(tools: ImageTools, file: Path) -> None:
    clean = photos.jpeg(200, 100)
    photos.store(file, clean + b"PK\x03\x04" + photos.located("JPEG") + b"<script>alert(1)</script>")
    picture = await tools.prepare(file, ANYTHING)
    assert picture.data.endswith(b"\xff\xd9")
    assert b"<script>" not in picture.data
    assert photos.GPS_MARK.encode() not in picture.data
    assert photos.pixels(picture.data).tobytes() == photos.pixels(clean).tobytes()


async def test_a_progressive_jpeg_is_stripped_scan_by_scan(tools: ImageTools, file: Path) -> None:
    data = photos.encoded(photos.scene(320, 240), "JPEG", progressive=True, exif=photos.located_exif())
    photos.store(file, data)
    picture = await tools.prepare(file, ANYTHING)
    assert photos.pixels(picture.data).tobytes() == photos.pixels(data).tobytes()
    assert photos.GPS_MARK.encode() not in picture.data


async def test_a_profile_of_srgb_is_left_out_without_coding_again(tools: ImageTools, file: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP"):
        data = photos.encoded(photos.scene(64, 48), kind, icc_profile=profile, exif=photos.located_exif())
        photos.store(file, data)
        picture = await tools.prepare(file, ANYTHING)
        assert photos.pixels(picture.data).tobytes() == photos.pixels(data).tobytes()
        with Image.open(io.BytesIO(picture.data)) as after:
            assert "icc_profile" not in after.info


async def test_a_broken_colour_profile_costs_no_photo(tools: ImageTools, file: Path) -> None:
    scene = photos.scene(160, 120)
    photos.store(file, photos.encoded(scene, "JPEG", icc_profile=b"not a profile" * 20, exif=photos.located_exif(3)))
    picture = await tools.prepare(file, ANYTHING)
    assert furthest(photos.pixels(picture.data), scene.rotate(180)) < 90


@pytest.mark.parametrize("mode", ["L", "CMYK", "1", "P", "LA", "RGBA"])
async def test_unusual_pixels_become_rgb_jpeg(tools: ImageTools, file: Path, mode: str) -> None:
    scene = photos.scene(160, 120).convert(mode)
    photos.store(file, photos.encoded(scene, "JPEG" if mode == "CMYK" else "PNG", exif=photos.located_exif(6)))
    picture = await tools.prepare(file, ONLY_JPEG)
    assert (picture.mime, picture.width, picture.height) == ("image/jpeg", 120, 160)
    low, high = photos.pixels(picture.data).convert("L").getextrema()
    assert high - low > 100
    assert await tools.preview(photos.load(file))


async def test_sixteen_bits_to_a_colour_become_eight(tools: ImageTools, file: Path) -> None:
    photos.store(file, photos.png_16bit(160, 120))
    picture = await tools.prepare(file, ONLY_JPEG)
    assert furthest(photos.pixels(picture.data), photos.scene(160, 120)) < 90


async def test_transparency_becomes_white_in_a_jpeg(tools: ImageTools, file: Path) -> None:
    picture = Image.new("RGBA", (40, 40), (200, 0, 0, 0))
    picture.paste((0, 0, 200, 255), (0, 0, 20, 40))
    photos.store(file, photos.encoded(picture, "PNG"))
    seen = photos.pixels((await tools.prepare(file, ONLY_JPEG)).data)
    assert min(seen.getpixel((33, 20))) > 240
    assert seen.getpixel((6, 20))[2] > 150


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("how", ["as it is", "turned", "smaller"])
async def test_transparency_goes_along_only_where_it_is_asked_for(
    tools: ImageTools, file: Path, kind: str, how: str
) -> None:
    cutout = Image.new("RGBA", (60, 60), (200, 0, 0, 0))
    cutout.paste((0, 0, 200, 255), (15, 15, 45, 45))
    exif = photos.located_exif(3 if how == "turned" else 1)
    photos.store(file, photos.encoded(cutout, kind, exif=exif, lossless=True))
    needs = msgspec.structs.replace(ANYTHING, max_pixels=900 if how == "smaller" else ANYTHING.max_pixels)
    flat = photos.pixels((await tools.prepare(file, needs)).data)
    assert min(flat.getpixel((2, 2))) > 240
    keeping = msgspec.structs.replace(needs, keep_transparency=True)
    for picture in (await tools.prepare(file, keeping), (await tools.prepare_with_preview(file, keeping)).picture):
        assert picture.mime in ("image/png", "image/webp")
        with Image.open(io.BytesIO(picture.data)) as seen:
            alpha = seen.convert("RGBA").getchannel("A")
            assert alpha.getpixel((2, 2)) == 0
            assert alpha.getpixel((seen.width // 2, seen.height // 2)) == 255


async def test_a_transparent_photo_that_is_too_large_as_png_becomes_webp(tools: ImageTools, file: Path) -> None:
    cutout = Image.effect_noise((200, 200), 90).convert("RGBA")
    cutout.paste((0, 0, 0, 0), (0, 0, 200, 20))
    photos.store(file, photos.encoded(cutout, "PNG"))
    needs = PictureNeeds(ANYTHING.mimes, 30_000, ANYTHING.max_pixels, keep_transparency=True)
    picture = await tools.prepare(file, needs)
    assert picture.mime == "image/webp"
    assert len(picture.data) <= 30_000
    with Image.open(io.BytesIO(picture.data)) as seen:
        assert seen.convert("RGBA").getpixel((picture.width // 2, 1))[3] == 0
    only_jpeg = msgspec.structs.replace(ONLY_JPEG, keep_transparency=True)
    assert min(photos.pixels((await tools.prepare(file, only_jpeg)).data).getpixel((100, 5))) > 240


async def test_transparency_stays_in_a_preview(tools: ImageTools) -> None:
    preview = await tools.preview(photos.encoded(Image.new("RGBA", (40, 40), (200, 0, 0, 0)), "PNG"))
    with Image.open(io.BytesIO(preview)) as seen:
        assert seen.convert("RGBA").getpixel((20, 20))[3] == 0


def test_a_huge_png_is_refused_by_its_header_without_memory_for_its_pixels(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    photos.store(bomb, photos.one_colour_png())
    program = f"""
import asyncio, resource
from pathlib import Path
from photochanger.adapters.imaging import ImageTools
from photochanger.core.domain.errors import ImageTooLarge
from photochanger.core.domain.media import ImageLimits
from tests.support.picture_work import InProcess

async def main():
    tools, limits, path = ImageTools(InProcess()), ImageLimits(max_pixels=100_000_000), Path({str(bomb)!r})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        list(tools.header(limits=limits).feed(path.read_bytes()))
        raise SystemExit("was not refused")
    except ImageTooLarge:
        pass
    try:
        await tools.normalise(path.read_bytes(), limits=limits)
        raise SystemExit("was not refused")
    except ImageTooLarge:
        pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 32 * 1024, "KiB more than before"


async def test_a_jpeg_with_text_for_pixels_is_undecodable(tools: ImageTools) -> None:
    data = photos.jpeg(640, 480)
    start_of_pixels = data.index(b"\xff\xda") + 14
    with pytest.raises(UndecodableImage):
        await tools.normalise(data[:start_of_pixels] + photos.TEXT_AS_JPG, limits=LIMITS)


async def test_a_png_whose_announced_size_is_a_lie_is_undecodable(tools: ImageTools) -> None:
    data = photos.png(64, 64)
    header = bytearray(data[16:29])
    header[0:4] = (4000).to_bytes(4, "big")
    lie = data[:8] + photos.png_chunk(b"IHDR", bytes(header)) + data[33:]
    reader = tools.header(limits=LIMITS)
    list(reader.feed(lie))
    assert reader.facts().width == 4000
    with pytest.raises(UndecodableImage):
        await tools.normalise(lie, limits=LIMITS)


async def test_the_first_accepted_type_that_can_be_written_is_taken(tools: ImageTools, file: Path) -> None:
    photos.store(file, photos.heic(64, 48))
    picture = await tools.prepare(file, PictureNeeds(("image/heic", "image/png"), 2**20, 10_000))
    assert (picture.mime, picture.width, picture.height) == ("image/png", 64, 48)
    with pytest.raises(ValueError, match="must accept"):
        await tools.prepare(file, PictureNeeds(("image/heic",), 2**20, 10_000))


async def test_a_very_flat_picture_is_resized_within_its_pixels(tools: ImageTools, file: Path) -> None:
    photos.store(file, photos.encoded(photos.scene(3000, 2), "PNG"))
    picture = await tools.prepare(file, PictureNeeds(("image/png",), 2**20, 500))
    assert picture.width * picture.height <= 500


async def test_errors_hold_neither_paths_nor_bytes(tools: ImageTools, file: Path) -> None:
    photos.store(file, photos.truncated(photos.located("JPEG")))
    with pytest.raises(UndecodableImage) as caught:
        await tools.prepare(file, ANYTHING)
    assert str(file) not in caught.value.detail
    assert photos.GPS_MARK not in caught.value.detail
    with pytest.raises(ImageTooLarge, match="100x100"):
        list(tools.header(limits=ImageLimits(max_pixels=9_999)).feed(photos.jpeg(100, 100)))
